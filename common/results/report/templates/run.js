/* The page of one run: the one that the address names after '#', or a list to choose from. */
"use strict";
const workbench = { runs: new Map(), all: [], add(id, command, config, record) {
  if (!workbench.runs.has(id)) workbench.runs.set(id, []);
  workbench.runs.get(id).push({ command: command, config: config, record: record });
}, list(row) { workbench.all.push(row); } };

(function () {
  const { make, number, block } = report;
  const place = document.getElementById("run"), title = document.getElementById("run-title");
  const loaded = new Map();
  const SHOWN = 100;

  function load(name) {
    if (!loaded.has(name)) {
      loaded.set(name, new Promise((resolve, reject) => {
        const script = make("script", { src: "runs/" + name + ".js", charset: "utf-8" });
        script.onload = resolve;
        script.onerror = reject;
        document.head.append(script);
      }));
    }
    return loaded.get(name);
  }

  function show(entries, id, chosen) {
    const entry = entries[chosen], record = entry.record;
    title.textContent = record.config.name + ", seed " + record.seed;
    document.title = title.textContent;
    const others = [...workbench.runs.keys()].filter((other) => other !== id && other.split("-s")[0] === id.split("-s")[0]).sort();
    const failed = record.status === "failed";
    const accuracy = (record.metrics || {}).test_accuracy;
    place.replaceChildren(
      make("p", {}, make("span", { class: "verdict " + (failed ? "v-does-not-hold" : "v-holds") }, failed ? "failed" : "finished"),
        typeof accuracy === "number" ? " test accuracy " + number(accuracy) + " %" : null),
      failed && record.error ? make("p", { class: "honest" }, make("strong", {}, "Why it failed: "), String(record.error)) : "",
      entries.length > 1 ? make("div", {}, make("p", {}, "The same configuration and seed stand in " + entries.length + " records:"),
        make("div", { class: "actions" }, entries.map((one, i) => make("button", {
          type: "button", class: "button", "aria-pressed": String(i === chosen), onclick: () => show(entries, id, i),
        }, one.record.paper + ", " + one.record.experiment + ", " + one.record.protocol)))) : "",
      others.length ? make("p", {}, "The same configuration with other seeds: ", others.map((other, i) =>
        [i ? ", " : "", make("a", { href: "#" + other }, "seed " + other.split("-s")[1])])) : "",
      report.command(entry), report.metrics(record), report.allCurves(record), report.ticket(record), report.timing(record),
      report.provenance(entry), report.config(record),
      block("The record", make("div", { class: "actions" },
        report.saving("Save the record as JSON", id + ".json", JSON.stringify(record, null, 1) + "\n", "application/json"),
        make("a", { class: "button", href: "#" }, "All runs"))),
    );
  }

  function browse(message) {
    title.textContent = "Runs";
    document.title = "Runs";
    const field = make("input", { type: "search", id: "search", autocomplete: "off", size: 40 });
    const output = make("output", {}), rows = make("tbody", {});
    const texts = workbench.all.map((row) => row.slice(0, 7).join(" ").toLowerCase());
    function update() {
      const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
      const found = workbench.all.filter((row, i) => words.every((word) => texts[i].includes(word)));
      rows.replaceChildren(...found.slice(0, SHOWN).map(([id, paper, experiment, protocol, name, seed, status, accuracy]) => make("tr", {},
        make("th", { scope: "row" }, make("a", { href: "#" + id }, name)), make("td", { class: "n" }, String(seed)),
        make("td", {}, paper), make("td", {}, experiment), make("td", {}, protocol), make("td", {}, status),
        make("td", { class: "n" }, typeof accuracy === "number" ? accuracy.toFixed(2) : "\u2013"))));
      const more = found.length > SHOWN ? "; the first " + SHOWN + " are shown" : "";
      output.textContent = number(found.length) + " of " + number(workbench.all.length) + " runs" + more;
    }
    field.addEventListener("input", update);
    const head = [["run", ""], ["seed", "n"], ["paper", ""], ["experiment", ""], ["protocol", ""], ["status", ""], ["test accuracy (%)", "n"]];
    place.replaceChildren(
      message ? make("p", { class: "honest" }, message) : make("p", {}, "Every run has a page. Search for parts of its name, its paper, experiment, protocol or id."),
      make("div", { class: "controls" }, make("label", {}, "Search the runs", field), output),
      make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Runs" },
        make("table", { class: "all" }, make("caption", {}, "Runs"),
          make("thead", {}, make("tr", {}, head.map(([name, kind]) => make("th", { scope: "col", class: kind }, name)))), rows)));
    update();
  }

  function list(message) {
    return load("index").then(() => browse(message), () => place.replaceChildren(make("p", { class: "honest" }, "The list of runs (runs/index.js) is not beside this page.")));
  }

  function route() {
    let id = location.hash.slice(1);
    if (id === "content") return;
    try { id = decodeURIComponent(id); } catch (error) { /* shown as it stands */ }
    if (!id) { list(""); return; }
    const digit = /^[0-9a-f]/.test(id) ? id[0] : "0";
    load(digit).then(() => {
      const entries = workbench.runs.get(id);
      if (location.hash.slice(1) && entries) { show(entries, id, 0); scrollTo(0, 0); }
      else list("There is no run " + id + ".");
    }, () => place.replaceChildren(make("p", { class: "honest" }, "The runs (runs/" + digit + ".js) are not beside this page.")));
  }

  addEventListener("hashchange", route);
  addEventListener("beforeprint", () => document.querySelectorAll("main details").forEach((one) => { one.open = true; }));
  route();
})();
