/* Plots in a dialog that zooms: buttons, wheel, + and - and 0, dragging; Escape closes it. */
"use strict";
(function () {
  const buttons = document.querySelectorAll("button.zoom");
  if (!buttons.length) return;
  const dialog = document.createElement("dialog");
  dialog.className = "plot";
  dialog.setAttribute("aria-labelledby", "plot-title");
  dialog.innerHTML =
    '<div class="head"><h2 id="plot-title"></h2>' +
    '<button type="button" class="button" data-do="in">Zoom in</button>' +
    '<button type="button" class="button" data-do="out">Zoom out</button>' +
    '<button type="button" class="button" data-do="fit">Whole plot</button>' +
    '<a class="button" data-do="save">Save as PNG</a>' +
    '<button type="button" class="button" data-do="close">Close</button></div>' +
    '<div class="stage" tabindex="0" role="region" aria-label="Plot; + and - zoom, arrows move"></div>';
  document.body.append(dialog);
  const stage = dialog.querySelector(".stage");
  const title = dialog.querySelector("h2");
  const save = dialog.querySelector('[data-do="save"]');
  const image = document.createElement("img");
  stage.append(image);
  let scale = 1, least = 1;

  function set(value, x, y) {
    const before = scale;
    scale = Math.min(8, Math.max(least, value));
    const left = x === undefined ? stage.clientWidth / 2 : x, top = y === undefined ? stage.clientHeight / 2 : y;
    const atX = (stage.scrollLeft + left) / before, atY = (stage.scrollTop + top) / before;
    image.style.width = Math.round(image.naturalWidth * scale) + "px";
    dialog.dataset.scale = scale.toFixed(3);
    stage.scrollLeft = atX * scale - left;
    stage.scrollTop = atY * scale - top;
  }

  function fit() {
    least = Math.min(stage.clientWidth / image.naturalWidth, stage.clientHeight / image.naturalHeight);
    set(least);
  }

  buttons.forEach((button) => button.addEventListener("click", () => {
    const source = button.querySelector("img");
    image.src = source.src;
    image.alt = source.alt;
    title.textContent = button.dataset.title;
    save.href = source.src;
    save.download = button.dataset.file;
    dialog.showModal();
    stage.focus();
    image.decode().then(fit, fit);
  }));

  const actions = { in: () => set(scale * 1.4), out: () => set(scale / 1.4), fit: fit, close: () => dialog.close() };
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) { dialog.close(); return; }
    const name = event.target.dataset && event.target.dataset.do;
    if (actions[name]) actions[name]();
  });
  dialog.addEventListener("keydown", (event) => {
    const name = { "+": "in", "=": "in", "-": "out", "0": "fit" }[event.key];
    if (name) { actions[name](); event.preventDefault(); }
  });
  stage.addEventListener("wheel", (event) => {
    const box = stage.getBoundingClientRect();
    set(scale * Math.exp(-event.deltaY / 400), event.clientX - box.left, event.clientY - box.top);
    event.preventDefault();
  }, { passive: false });
  let drag = null;
  stage.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "touch") return;
    drag = { x: event.clientX + stage.scrollLeft, y: event.clientY + stage.scrollTop };
    stage.setPointerCapture(event.pointerId);
    event.preventDefault();
    stage.focus();
  });
  stage.addEventListener("pointermove", (event) => {
    if (!drag) return;
    stage.scrollLeft = drag.x - event.clientX;
    stage.scrollTop = drag.y - event.clientY;
  });
  ["pointerup", "pointercancel"].forEach((name) => stage.addEventListener(name, () => { drag = null; }));
  addEventListener("resize", () => { if (dialog.open) fit(); });
})();
