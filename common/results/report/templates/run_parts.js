/* The parts of a run's page. */
"use strict";
(function () {
  const { make, number, seconds, percent, label, pairs, table, block } = report;

  report.command = function (entry) {
    const record = entry.record, command = make("code", {}, entry.command);
    const copy = make("button", { type: "button", class: "button", onclick: () => {
      const select = () => { getSelection().selectAllChildren(command); copy.textContent = "Selected"; };
      if (navigator.clipboard) navigator.clipboard.writeText(entry.command).then(() => { copy.textContent = "Copied"; }, select);
      else select();
    } }, "Copy");
    const name = /--config (\S+)/.exec(entry.command)[1];
    const file = JSON.stringify(record.config, null, 2) + "\n";
    return block("Repeat it",
      make("p", {}, entry.config
        ? "At the top of the repository (the commit below for the same code):"
        : "No config file of the repository holds this run. Save its config at the top of the repository, then:"),
      make("pre", { tabindex: 0 }, command),
      make("div", { class: "actions" }, copy,
        report.saving("Save the config", entry.config ? name.split("/").pop() : name, file, "application/json")));
  };

  report.provenance = function (entry) {
    const record = entry.record, data = record.dataset_fingerprint || {}, where = record.environment || {};
    const images = [["train", "training"], ["validation", "validation"], ["test", "test"]]
      .filter(([key]) => typeof data[key + "_images"] === "number")
      .map(([key, name]) => number(data[key + "_images"]) + " " + name).join(", ");
    const source = record.source_fingerprint;
    const rows = [
      ["Paper", make("a", { href: record.paper + ".html" }, record.paper)],
      ["Experiment", record.experiment],
      ["Protocol", record.protocol],
      ["Method, variant", record.config.method + ", " + record.config.variant],
      ["Seed", String(record.seed)],
      ["Config hash", make("code", {}, record.config_hash)],
      ["Commit", record.commit ? make("code", {}, record.commit) : "not recorded"],
      ["Data set", [data.name || record.config.data.name, images ? ": " + images + " images" : "", data.complete === false ? " (incomplete)" : ""].join("")],
      data.note ? ["Note on the data", data.note] : null,
      ["Fingerprint of the data", data.sha256 ? make("code", {}, data.sha256) : "not recorded"],
      source ? ["Source data set", [source.name, " ", make("code", {}, source.sha256 || "")]] : null,
      ["Device", [where.gpu || where.device || "not recorded", where.cpu ? " (" + where.cpu + ")" : ""].join("")],
      ["Precision", where.precision || "not recorded"],
      ["Threads, cores", number(where.threads) + ", " + number(where.cores)],
      ["Versions", ["python", "torch", "torchvision"].filter((key) => where[key]).map((key) => key + " " + where[key]).join(", ") || "not recorded"],
    ];
    return block("Where it comes from", pairs(rows.filter(Boolean)));
  };

  report.metrics = function (record) {
    const metrics = record.metrics || {};
    const names = Object.keys(metrics).filter((name) => metrics[name] !== null);
    const missing = Object.keys(metrics).filter((name) => metrics[name] === null);
    if (!names.length) return block("Metrics", make("p", {}, "No metric was recorded."));
    const rows = names.map((name) => [label(name), number(metrics[name])]);
    return block("Metrics", table("Final numbers of this run", [["metric", ""], ["value", "n"]], rows),
      missing.length ? make("p", { class: "notes" }, "Not measured in this run: " + missing.map(label).join("; ") + ".") : null);
  };

  report.allCurves = function (record) {
    const search = record.search && record.search.curves, training = record.training;
    const parts = [];
    if (search) parts.push(make("h3", {}, "The search"), report.curves(search, "The search"));
    if (training) parts.push(make("h3", {}, "The training"), report.curves(training, "The training"));
    else parts.push(make("p", {}, "The record holds no curves of the training: it is from before they were kept, or there was no training."));
    return block("Metrics by epoch", parts);
  };

  report.ticket = function (record) {
    const ticket = record.ticket || {}, densities = ticket.layer_densities || {};
    const kept = ticket.layer_kept || {}, sizes = ticket.layer_sizes || {};
    const names = (ticket.layer_order || Object.keys(densities)).filter((name) => Object.hasOwn(densities, name));
    const sum = (counts) => names.reduce((total, name) => total + (counts[name] || 0), 0);
    const facts = [["Sparsity (fraction removed)", number(ticket.sparsity)]];
    if (sum(sizes)) facts.push(["Weights kept", number(sum(kept)) + " of " + number(sum(sizes)) + " prunable ones"]);
    if (Array.isArray(ticket.collapsed_layers)) facts.push(["Emptied layers", ticket.collapsed_layers.join(", ") || "none"]);
    if (!names.length) return block("Ticket", pairs(facts), make("p", {}, "The record holds no densities by layer."));
    const positive = names.map((name) => densities[name]).filter((value) => value > 0);
    const floor = Math.min(0.1, ...positive) / 2;
    const bars = names.map((name) => make("span", {}));
    function draw(logarithmic) {
      names.forEach((name, i) => {
        const value = densities[name];
        const share = logarithmic ? (value > 0 ? 1 - Math.log(value) / Math.log(floor) : 0) : value;
        bars[i].style.width = (100 * Math.max(0, Math.min(1, share))).toFixed(2) + "%";
      });
      linear.setAttribute("aria-pressed", String(!logarithmic));
      log.setAttribute("aria-pressed", String(logarithmic));
      scale.textContent = logarithmic
        ? "Bars: logarithmic, from " + percent(floor) + " to 100 %."
        : "Bars: linear, from 0 to 100 %.";
    }
    const linear = make("button", { type: "button", class: "button", onclick: () => draw(false) }, "Linear");
    const log = make("button", { type: "button", class: "button", onclick: () => draw(true) }, "Logarithmic");
    const scale = make("p", { class: "notes" });
    const rows = names.map((name, i) => [
      name, percent(densities[name]), make("span", { class: "density", "aria-hidden": "true" }, bars[i]),
      number(kept[name]), number(sizes[name]),
    ]);
    const head = [["layer", ""], ["kept", "n"], ["kept, as a bar", "wide"], ["weights kept", "n"], ["weights", "n"]];
    const part = block("Ticket", pairs(facts), make("h3", {}, "What every layer keeps"),
      make("div", { class: "actions", role: "group", "aria-label": "Scale of the bars" }, linear, log), scale,
      table("Fraction of the weights kept, by layer", head, rows));
    draw(false);
    return part;
  };

  report.timing = function (record) {
    const timing = record.timing || {}, phases = timing.phases || {};
    const rows = Object.entries(phases).map(([name, value]) => [name.replace(/^\d+_/, (digits) => (parseInt(digits, 10) + 1) + ". "), seconds(value)]);
    if (typeof timing.search_seconds === "number") rows.push(["until the ticket was found", seconds(timing.search_seconds)]);
    rows.push(["all", seconds(timing.total_seconds)]);
    return block("Run time", table("Run time by phase; a phase that runs share counts in each", [["phase", ""], ["time", "n"]], rows));
  };

  function tree(value) {
    const entries = Array.isArray(value) ? value.map((item, i) => [String(i), item]) : Object.entries(value);
    return make("ul", { class: "tree" }, entries.map(([name, item]) => {
      const inner = item !== null && typeof item === "object";
      if (inner && Object.keys(item).length) return make("li", {}, make("details", { open: true }, make("summary", {}, name), tree(item)));
      return make("li", {}, make("span", { class: "name" }, name + ": "), make("code", {}, inner ? (Array.isArray(item) ? "[]" : "{}") : JSON.stringify(item)));
    }));
  }

  report.config = (record) => block("Config, with all defaults filled in",
    make("details", { class: "section" }, make("summary", {}, "Show the whole config"), make("div", { class: "text" }, tree(record.config))));
})();
