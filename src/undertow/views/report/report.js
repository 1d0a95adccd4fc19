"use strict";
// Swaps the instrument shown by the price, gap and depth figures, and undoes a zoom.
// The figures work without it: they show the first instrument.
(() => {
  const data = JSON.parse(document.getElementById("undertow-data").textContent);
  const numbers = (values) => Float64Array.from(values, (value) => (value === null ? NaN : value));

  function model(name) {
    for (const page of window.Bokeh ? Bokeh.documents : []) {
      const found = page.get_model_by_name(name);
      if (found) return found;
    }
    return null;
  }

  function show(name) {
    const chosen = data.instruments[name];
    if (!chosen) return;
    const price = {};
    for (const key of ["time", "last", "mark", "outside"]) price[key] = numbers(chosen.price[key]);
    price.time = price.time.map((time) => time + data.start);
    price.gap = price.last.map((last, row) => 100 * (last / price.outside[row] - 1));
    price.zero = new Float64Array(price.last.length);
    const depth = {};
    for (const key of Object.keys(chosen.depth)) depth[key] = numbers(chosen.depth[key]);
    depth.time = depth.time.map((time) => time + data.start);
    for (const [source, columns] of [["price", price], ["gap", price], ["depth", depth]]) {
      const found = model(source);
      if (found) found.data = { ...columns };
    }
    for (const card of document.querySelectorAll(".coin")) {
      card.setAttribute("aria-pressed", String(card.dataset.name === name));
    }
    for (const list of document.querySelectorAll(".pick select")) list.value = name;
  }

  for (const card of document.querySelectorAll(".coin")) {
    card.addEventListener("click", () => show(card.dataset.name));
  }
  for (const list of document.querySelectorAll(".pick select")) {
    list.addEventListener("change", () => show(list.value));
  }

  function prepare(attempt) {
    const range = model("time-range");
    if (!range) {
      if (attempt < 100) setTimeout(() => prepare(attempt + 1), 50);
      return;
    }
    const whole = [range.start, range.end];
    const button = document.getElementById("whole");
    button.addEventListener("click", () => range.setv({ start: whole[0], end: whole[1] }));
    range.change.connect(() => {
      button.hidden = range.start === whole[0] && range.end === whole[1];
    });
    if (matchMedia("(pointer: coarse)").matches) {
      // On a touch screen a drag scrolls the page; it must not be taken for a zoom.
      for (const page of Bokeh.documents) {
        for (const root of page.roots()) {
          for (const tool of root.toolbar.tools) if (tool.type === "BoxZoomTool") tool.active = false;
        }
      }
    }
  }
  prepare(0);
})();
