/* Tables: sorting by their headings, filtering by words and by values, saving as CSV. */
"use strict";
(function () {
  const NUMBER = /^[+\u2212-]?(?:\d[\d,]*\.?\d*|\.\d+)(?:e[+-]?\d+)?(?=$|[\s%(\u00b1\u2020\u2021])/i;
  const LEAST = 4; /* rows of a table that is worth filtering */
  let numbered = 0;

  function words(cell) {
    const runs = cell.querySelector(":scope > details.runs > summary");
    if (runs) return runs.textContent.trim();
    const small = cell.querySelector(":scope > small");
    const all = cell.textContent.trim();
    return small ? all.slice(0, all.length - small.textContent.trim().length).trim() : all;
  }

  function number(cell) {
    if (cell.dataset.sort !== undefined) return Number(cell.dataset.sort);
    const found = NUMBER.exec(words(cell));
    return found ? Number(found[0].replace(/,/g, "").replace("\u2212", "-")) : NaN;
  }

  function enhance(table) {
    const heads = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
    const grouped = table.dataset.grouped !== undefined;
    const units = (grouped ? [...table.tBodies] : [...table.tBodies[0].rows]).map(
      (node) => ({ node: node, row: grouped ? node.rows[0] : node, text: null, shown: true }));
    const place = grouped ? table : table.tBodies[0];
    const after = grouped ? table.tFoot : null;
    const original = units.slice();

    function sort(column, direction) {
      let order = original.slice();
      if (direction) {
        const keys = new Map(order.map((unit) => {
          const cell = unit.row.cells[column];
          const text = cell ? words(cell) : "", small = cell && cell.querySelector(":scope > small");
          return [unit, { empty: text === "" || text === "\u2013", number: cell ? number(cell) : NaN,
            text: text + (small ? " " + small.textContent : "") }];
        }));
        const filled = order.filter((unit) => !keys.get(unit).empty);
        const numeric = filled.length > 0 && filled.every((unit) => !Number.isNaN(keys.get(unit).number));
        const compare = new Intl.Collator("en", { numeric: true }).compare;
        filled.sort((a, b) => {
          const left = keys.get(a), right = keys.get(b);
          return direction * (numeric ? left.number - right.number : compare(left.text, right.text));
        });
        order = filled.concat(order.filter((unit) => keys.get(unit).empty));
      }
      const fragment = document.createDocumentFragment();
      order.forEach((unit) => fragment.append(unit.node));
      place.insertBefore(fragment, after);
      heads.forEach((head, i) => {
        const state = i !== column || !direction ? "none" : direction > 0 ? "ascending" : "descending";
        head.setAttribute("aria-sort", state);
      });
    }

    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      head.setAttribute("aria-sort", "none");
      button.addEventListener("click", () => {
        const now = head.getAttribute("aria-sort");
        sort(column, now === "none" ? 1 : now === "ascending" ? -1 : 0);
      });
    });

    const box = table.closest(".table");
    const controls = document.createElement("div");
    controls.className = "controls";
    const output = document.createElement("output");
    const state = { words: [], chosen: new Map() };

    function apply() {
      let shown = 0;
      original.forEach((unit) => {
        if (unit.text === null) unit.text = unit.node.textContent.toLowerCase();
        let keep = state.words.every((word) => unit.text.includes(word));
        state.chosen.forEach((value, column) => {
          const cell = unit.row.cells[column];
          keep = keep && cell !== undefined && words(cell) === value;
        });
        if (keep !== unit.shown) unit.node.hidden = !keep;
        unit.shown = keep;
        shown += keep ? 1 : 0;
      });
      const all = original.length;
      output.textContent = shown.toLocaleString("en") + " of " + all.toLocaleString("en") + (all === 1 ? " row" : " rows");
    }

    function labelled(text, control) {
      const label = document.createElement("label");
      label.append(text, control);
      controls.append(label);
      return control;
    }

    numbered += 1;
    const long = original.length >= LEAST;
    const field = document.createElement("input");
    field.type = "search";
    field.autocomplete = "off";
    field.name = "filter-" + numbered;
    if (long) labelled("Filter rows", field);
    field.addEventListener("input", () => {
      state.words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
      apply();
    });
    heads.forEach((head, column) => {
      if (head.dataset.choose === undefined || !long) return;
      const counts = new Map();
      original.forEach((unit) => {
        const value = unit.row.cells[column] ? words(unit.row.cells[column]) : "";
        if (value !== "") counts.set(value, (counts.get(value) || 0) + 1);
      });
      if (counts.size < 2) return;
      const select = document.createElement("select");
      select.name = "choose-" + numbered + "-" + column;
      select.append(new Option("all", ""));
      counts.forEach((count, value) => select.append(new Option(value + " (" + count.toLocaleString("en") + ")", value)));
      labelled(head.textContent, select).addEventListener("change", () => {
        if (select.value === "") state.chosen.delete(column); else state.chosen.set(column, select.value);
        apply();
      });
    });
    if (long) controls.append(output);
    const save = document.createElement("button");
    save.type = "button";
    save.className = "button quiet";
    save.textContent = "Save as CSV";
    save.addEventListener("click", () => saveCsv(table, heads));
    if (table.dataset.file) controls.append(save);
    if (controls.childNodes.length) box.prepend(controls);
    apply();
  }

  function saveCsv(table, heads) {
    const quote = (text) => /[",\n]/.test(text) ? '"' + text.replace(/"/g, '""') + '"' : text;
    const lines = [heads.map((head) => quote(head.textContent.trim())).join(",")];
    [...table.tBodies].forEach((body) => [...body.rows].forEach((row) => {
      if (row.hidden || body.hidden) return;
      lines.push([...row.cells].map((cell) => {
        const small = cell.querySelector(":scope > small");
        return quote(words(cell) + (small ? " [" + small.textContent.trim() + "]" : ""));
      }).join(","));
    }));
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob(["\ufeff" + lines.join("\n") + "\n"], { type: "text/csv" }));
    link.download = table.dataset.file + ".csv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  document.querySelectorAll("table.data").forEach((table) => { if (table.tBodies.length) enhance(table); });

  /* Only what can scroll is a stop of the keyboard. */
  function stops() {
    document.querySelectorAll(".scroll").forEach((box) => {
      const scrolls = box.scrollWidth > box.clientWidth || box.scrollHeight > box.clientHeight;
      if (scrolls) box.tabIndex = 0; else box.removeAttribute("tabindex");
    });
  }
  addEventListener("resize", stops);
  document.addEventListener("toggle", stops, true);
  stops();

  /* A link to something inside a closed part opens it. */
  function reveal() {
    const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (let node = target; node; node = node.parentElement) if (node.tagName === "DETAILS") node.open = true;
    if (target) target.scrollIntoView();
  }
  addEventListener("hashchange", reveal);
  if (location.hash) reveal();

  /* A printed page shows everything. */
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("main details:not([open]):not(.runs)")];
    opened.forEach((one) => { one.open = true; });
  });
  addEventListener("afterprint", () => opened.forEach((one) => { one.open = false; }));

  /* On a small screen the contents begin closed. */
  const contents = document.querySelector(".contents details");
  if (contents && matchMedia("(max-width: 69.99rem)").matches) contents.open = false;
})();
