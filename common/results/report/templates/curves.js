/* Curves over epochs as SVG: values under the pointer, or with the arrow keys. */
"use strict";
(function () {
  const { make, svg, number, label } = report;
  const WIDTH = 560, HEIGHT = 260, LEFT = 58, RIGHT = 14, TOP = 12, BOTTOM = 40, MOST = 4;

  /* Metrics that share an axis: losses, accuracies, fractions; others stand alone. */
  function family(name) {
    if (name.endsWith("loss")) return "Loss";
    if (name.endsWith("accuracy")) return "Accuracy (%)";
    if (name === "lr") return "Learning rate";
    if (/(^|_)(sparsity|density)$/.test(name)) return "Fraction of the weights";
    return label(name);
  }

  function groups(curves) {
    const found = new Map();
    Object.keys(curves).filter((name) => name !== "epoch").forEach((name) => {
      if (!curves[name].some((value) => typeof value === "number")) return;
      const title = family(name);
      if (!found.has(title)) found.set(title, []);
      found.get(title).push(name);
    });
    const parts = [], first = ["Accuracy (%)", "Loss"];
    const rank = (title) => (first.indexOf(title) + 1 || first.length + 1);
    [...found].sort((a, b) => rank(a[0]) - rank(b[0])).forEach(([title, names]) => {
      for (let i = 0; i < names.length; i += MOST) parts.push([title, names.slice(i, i + MOST)]);
    });
    return parts;
  }

  function ticks(low, high, count) {
    const rough = (high - low) / count, power = Math.pow(10, Math.floor(Math.log10(rough)));
    const step = [1, 2, 5, 10].map((factor) => factor * power).find((value) => value >= rough);
    const found = [];
    for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i += 1) found.push(Number((i * step).toPrecision(12)));
    return found;
  }

  function chart(title, names, curves, what) {
    const epochs = curves.epoch;
    const all = names.flatMap((name) => curves[name]).filter((value) => typeof value === "number");
    let low = Math.min(...all), high = Math.max(...all);
    if (low === high) { low -= Math.abs(low) * 0.05; high += Math.abs(high) * 0.05 || 1; }
    const room = (high - low) * 0.06;
    low = low >= 0 && low - room < 0 ? 0 : low - room;
    high += room;
    const first = epochs[0], last = epochs[epochs.length - 1];
    const x = (epoch) => LEFT + (first === last ? 0.5 : (epoch - first) / (last - first)) * (WIDTH - LEFT - RIGHT);
    const y = (value) => HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - TOP - BOTTOM);

    const said = what + ": " + title + " over " + epochs.length + (epochs.length === 1 ? " epoch" : " epochs");
    const picture = svg("svg", {
      viewBox: "0 0 " + WIDTH + " " + HEIGHT, tabindex: 0, role: "slider", "aria-label": said + "; arrow keys read the values",
      "aria-valuemin": first, "aria-valuemax": last,
    });
    ticks(low, high, 4).forEach((value) => {
      picture.append(svg("line", { class: "rule", x1: LEFT, x2: WIDTH - RIGHT, y1: y(value), y2: y(value) }));
      picture.append(svg("text", { x: LEFT - 8, y: y(value) + 4, "text-anchor": "end" }, number(value)));
    });
    picture.append(svg("line", { class: "axis", x1: LEFT, x2: WIDTH - RIGHT, y1: HEIGHT - BOTTOM, y2: HEIGHT - BOTTOM }));
    (first === last ? [first] : ticks(first, last, 6)).forEach((value) => {
      if (!Number.isInteger(value) && last - first > 2) return;
      picture.append(svg("text", { x: x(value), y: HEIGHT - BOTTOM + 18, "text-anchor": "middle" }, number(value)));
    });
    picture.append(svg("text", { x: (LEFT + WIDTH - RIGHT) / 2, y: HEIGHT - 4, "text-anchor": "middle" }, "epoch"));
    names.forEach((name, i) => {
      const points = epochs.map((epoch, at) => [epoch, curves[name][at]]).filter((point) => typeof point[1] === "number");
      const path = points.map((point, at) => (at ? "L" : "M") + x(point[0]).toFixed(1) + " " + y(point[1]).toFixed(1)).join("");
      picture.append(svg("path", { class: "line c" + (i + 1), d: path, "data-metric": name }));
      if (points.length <= 40) points.forEach((point) => picture.append(svg("circle", { class: "dot c" + (i + 1), cx: x(point[0]), cy: y(point[1]), r: 3 })));
    });
    const cursor = svg("line", { class: "cursor", y1: TOP, y2: HEIGHT - BOTTOM, visibility: "hidden" });
    picture.append(cursor);
    const readout = make("p", { class: "readout" });

    let at = epochs.length - 1;
    function show(index) {
      at = Math.min(epochs.length - 1, Math.max(0, index));
      const values = names.map((name) => label(name).replace(/ \((%|nats|points)\)$/, "") + " = " + number(curves[name][at]));
      const text = "Epoch " + number(epochs[at]) + ": " + values.join(", ");
      readout.textContent = text;
      picture.setAttribute("aria-valuenow", epochs[at]);
      picture.setAttribute("aria-valuetext", text);
      cursor.setAttribute("x1", x(epochs[at]));
      cursor.setAttribute("x2", x(epochs[at]));
      cursor.setAttribute("visibility", "visible");
    }
    function nearest(event) {
      const box = picture.getBoundingClientRect();
      const where = (event.clientX - box.left) / box.width * WIDTH;
      let best = 0;
      epochs.forEach((epoch, index) => { if (Math.abs(x(epoch) - where) < Math.abs(x(epochs[best]) - where)) best = index; });
      show(best);
    }
    picture.addEventListener("pointermove", nearest);
    picture.addEventListener("pointerdown", nearest);
    picture.addEventListener("keydown", (event) => {
      const next = { ArrowLeft: at - 1, ArrowDown: at - 1, ArrowRight: at + 1, ArrowUp: at + 1, Home: 0, End: epochs.length - 1,
        PageDown: at - 10, PageUp: at + 10 }[event.key];
      if (next === undefined) return;
      show(next);
      event.preventDefault();
    });
    show(at);
    cursor.setAttribute("visibility", "hidden");

    const key = make("ul", { class: "key" }, names.map((name, i) => {
      const line = svg("svg", { viewBox: "0 0 26 10", "aria-hidden": "true" });
      line.append(svg("line", { class: "line c" + (i + 1), x1: 0, x2: 26, y1: 5, y2: 5 }));
      return make("li", {}, line, label(name));
    }));
    return make("div", { class: "chart" }, make("h4", {}, title), key, picture, readout);
  }

  /* All curves of one part of a run, and their values as a table. */
  report.curves = function (curves, what) {
    const names = Object.keys(curves).filter((name) => name !== "epoch");
    const rows = curves.epoch.map((epoch, i) => [number(epoch), ...names.map((name) => number(curves[name][i]))]);
    return [
      make("div", { class: "charts" }, groups(curves).map(([title, part]) => chart(title, part, curves, what))),
      make("details", { class: "values" }, make("summary", {}, "All values as a table"),
        report.table(what, [["epoch", "n"], ...names.map((name) => [label(name), "n"])], rows)),
    ];
  };
})();
