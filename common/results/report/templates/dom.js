/* Small parts that the page of runs is made of. Text is only ever set as text, never as HTML. */
"use strict";
const report = {
  /* An element: its attributes, then its children (texts or elements; null and false are left out). */
  make(tag, attributes, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value === null || value === undefined || value === false) continue;
      if (name === "onclick") node.addEventListener("click", value); else node.setAttribute(name, value === true ? "" : value);
    }
    node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
    return node;
  },
  svg(tag, attributes, text) {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes || {})) node.setAttribute(name, value);
    if (text !== undefined) node.textContent = text;
    return node;
  },
  /* A number as people write it: up to four decimals, more for small ones. */
  number(value) {
    if (typeof value !== "number") return value === null || value === undefined ? "\u2013" : String(value);
    if (Number.isInteger(value)) return Math.abs(value) < 1e15 ? value.toLocaleString("en") : String(value);
    const digits = Math.abs(value) >= 0.01 ? { maximumFractionDigits: 4 } : { maximumSignificantDigits: 4 };
    return value.toLocaleString("en", digits).replace("-", "\u2212");
  },
  seconds(value) {
    if (typeof value !== "number") return "\u2013";
    if (value < 60) return value.toFixed(value < 10 ? 2 : 1) + " s";
    const minutes = Math.round(value / 60), hours = Math.floor(minutes / 60);
    return hours ? hours.toLocaleString("en") + " h " + (minutes % 60) + " min" : minutes + " min";
  },
  percent(value) {
    if (typeof value !== "number") return "\u2013";
    const share = 100 * value;
    return (share !== 0 && share < 0.1 ? share.toPrecision(2) : share.toFixed(2)) + " %";
  },
  label(name) {
    const labels = JSON.parse(document.getElementById("labels").textContent);
    const plain = name.replace(/_/g, " ") + (name.endsWith("accuracy") ? " (%)" : "");
    return Object.hasOwn(labels, name) ? labels[name] : plain;
  },
  /* Names and values, one below the other. */
  pairs(entries) {
    const { make } = report;
    return make("dl", { class: "pairs" }, entries.map(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));
  },
  table(caption, head, rows) {
    const { make } = report;
    const cell = (value, i) => make(i ? "td" : "th", { class: head[i][1], scope: i ? null : "row" }, value);
    return make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": caption },
      make("table", {}, make("caption", {}, caption),
        make("thead", {}, make("tr", {}, head.map(([name, kind]) => make("th", { scope: "col", class: kind }, name)))),
        make("tbody", {}, rows.map((row) => make("tr", {}, row.map(cell))))));
  },
  block(title, ...children) {
    const { make } = report;
    return make("section", { class: "block" }, make("h2", {}, title), children);
  },
  /* A link that saves text as a file. */
  saving(label, name, text, type) {
    const link = report.make("a", { class: "button", download: name }, label);
    link.href = URL.createObjectURL(new Blob([text], { type: type }));
    return link;
  },
};
