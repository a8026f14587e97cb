"use strict";
// The charts of a report, and how a page of a run that is still going on keeps itself fresh. The page's numbers stand
// in the element "data". What the reader has done (zoom, curves switched off) is kept in the browser's history entry,
// which outlives a reload and needs no storage; nothing is ever fetched.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const kept = Object.assign({ charts: {}, open: {}, scroll: 0 }, history.state || {});
  const keep = () => {
    kept.scroll = scrollY;
    try { history.replaceState(kept, ""); } catch { /* a browser that keeps nothing shows the page from its beginning */ }
  };

  // ---- numbers ----
  const digits = (value) => {
    const size = Math.abs(value);
    if (value === 0) return "0";
    if (size >= 1e5 || size < 1e-3) return value.toExponential(2).replace("e+", "e");
    return size >= 1000 ? String(Math.round(value)) : String(Number(value.toPrecision(4)));
  };
  const roundTicks = (low, high, most, least = 0) => {
    const rough = Math.max((high - low) / Math.max(most, 1), least);
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough) || rough;
    const ticks = [];
    for (let index = Math.ceil(low / step - 1e-9); index * step <= high + 1e-9 * step; index++) ticks.push(index * step);
    return ticks;
  };
  const logTicks = (low, high) => {
    const ticks = [];
    for (let power = Math.ceil(low - 1e-9); power <= high + 1e-9; power++) ticks.push(power);
    return ticks.length >= 2 ? ticks.filter((_, i) => i % Math.ceil(ticks.length / 6) === 0) : roundTicks(low, high, 4);
  };
  const nearest = (xs, x) => {
    let low = 0, high = xs.length - 1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (xs[middle] < x) low = middle; else high = middle;
    }
    return Math.abs(xs[low] - x) <= Math.abs(xs[high] - x) ? low : high;
  };

  // ---- elements ----
  const SVG = "http://www.w3.org/2000/svg";
  const shape = (name, attributes, parent) => {
    const element = document.createElementNS(SVG, name);
    for (const key in attributes) element.setAttribute(key, attributes[key]);
    if (parent) parent.append(element);
    return element;
  };
  const element = (name, className, parent, text) => {
    const made = document.createElement(name);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    if (parent) parent.append(made);
    return made;
  };

  // ---- one chart ----
  function drawChart(figure, spec, number) {
    const view = kept.charts[number] = Object.assign({ x: null, off: [], log: null, at: null }, kept.charts[number]);
    const caption = figure.querySelector("figcaption");
    const tools = element("div", "tools", caption);
    const positive = spec.curves.every((curve) => curve.y.every((y) => y > 0));
    const logButton = element("button", "tool", tools, "log");
    const resetButton = element("button", "tool", tools, "reset zoom");
    logButton.type = resetButton.type = "button";
    logButton.hidden = !positive;
    logButton.title = "logarithmic axis";
    const svg = shape("svg", { role: "img", tabindex: "0" });
    figure.append(svg);
    const legend = element("div", "legend", figure);
    const tip = element("div", "tip", figure);
    tip.hidden = true;
    const overlay = shape("g", {});
    const edges = { left: 50, right: 20, top: 10, bottom: 34 };
    let width = 0, height = 0, x = [0, 1], y = [0, 1], drag = null;
    const pointers = new Map();
    const shown = () => spec.curves.filter((curve) => !view.off.includes(curve.name));
    const isLog = () => positive && (view.log ?? spec.log);  // null: the reader has not chosen
    const toY = (value) => (isLog() ? Math.log10(value) : value);
    const placeX = (value) => edges.left + ((value - x[0]) / (x[1] - x[0])) * (width - edges.left - edges.right);
    const placeY = (value) => height - edges.bottom - ((toY(value) - y[0]) / (y[1] - y[0])) * (height - edges.top - edges.bottom);
    const valueX = (place) => x[0] + ((place - edges.left) / (width - edges.left - edges.right)) * (x[1] - x[0]);

    const range = () => {
      x = view.x || spec.x;
      let low = Infinity, high = -Infinity;
      for (const curve of shown()) {
        for (let i = 0; i < curve.x.length; i++) {
          if (curve.x[i] < x[0] || curve.x[i] > x[1]) continue;
          const value = toY(curve.y[i]);
          if (value < low) low = value;
          if (value > high) high = value;
        }
      }
      if (!(high >= low)) [low, high] = isLog() ? [-1, 0] : [0, 1];
      const margin = (high - low) * 0.05 || Math.abs(high) * 0.1 || 1;
      y = [low - margin, high + margin];
    };

    const path = (curve) => {
      let text = "", points = 0;
      const spots = [];
      for (let i = 0; i < curve.x.length; i++) {
        const before = curve.x[i] < x[0] && curve.x[i + 1] < x[0], after = curve.x[i] > x[1] && curve.x[i - 1] > x[1];
        if (before || after) continue;
        const at = [placeX(curve.x[i]).toFixed(1), placeY(curve.y[i]).toFixed(1)];
        text += (text ? "L" : "M") + at[0] + " " + at[1];
        points++;
        if (curve.x[i] >= x[0] && curve.x[i] <= x[1]) spots.push(at);
      }
      return { text, spots: points <= 40 ? spots : [], dense: points > 400 ? " dense" : "" };
    };

    const draw = () => {
      width = Math.max(figure.clientWidth - 24, 200);
      height = Math.round(Math.max(220, Math.min(330, width * 0.62)));
      range();
      svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
      svg.setAttribute("height", height);
      svg.replaceChildren();
      const last = shown().map((curve) => `${curve.name} ${digits(curve.y[curve.y.length - 1])}`).join(", ");
      shape("title", {}, svg).textContent = `${spec.title} over ${data.x}; at the end ${last}`;
      const inner = width - edges.left - edges.right, clip = `clip-${number}`;
      const area = shape("clipPath", { id: clip }, svg);
      shape("rect", { x: edges.left, y: edges.top - 6, width: inner + 6, height: height - edges.top - edges.bottom + 12 }, area);
      for (const tick of isLog() ? logTicks(...y) : roundTicks(...y, 5)) {
        const at = height - edges.bottom - ((tick - y[0]) / (y[1] - y[0])) * (height - edges.top - edges.bottom);
        shape("line", { class: "grid", x1: edges.left, x2: width - edges.right, y1: at, y2: at }, svg);
        shape("text", { x: edges.left - 7, y: at + 4, "text-anchor": "end" }, svg).textContent = digits(isLog() ? 10 ** tick : tick);
      }
      for (const tick of roundTicks(...x, Math.max(3, inner / 70), x[1] - x[0] >= 2 ? 1 : 0)) {  // whole epochs
        const at = placeX(tick);
        shape("line", { class: "grid", x1: at, x2: at, y1: edges.top, y2: height - edges.bottom }, svg);
        shape("text", { x: at, y: height - edges.bottom + 16, "text-anchor": "middle" }, svg).textContent = digits(tick);
      }
      shape("line", { class: "axis", x1: edges.left, x2: width - edges.right, y1: height - edges.bottom, y2: height - edges.bottom }, svg);
      shape("text", { x: edges.left + inner / 2, y: height - 3, "text-anchor": "middle" }, svg).textContent = data.x;
      const drawn = shape("g", { "clip-path": `url(#${clip})` }, svg);
      for (const curve of shown()) {
        const { text, spots, dense } = path(curve);
        shape("path", { class: `curve k${curve.colour}${dense}`, d: text, "stroke-dasharray": curve.dash }, drawn);
        for (const [cx, cy] of spots) shape("circle", { class: `spot k${curve.colour}`, cx, cy, r: 2.1 }, drawn);
      }
      for (const curve of shown()) {
        if (!curve.best) continue;
        const ring = shape("circle", { class: `best k${curve.colour}`, cx: placeX(curve.best[0]), cy: placeY(curve.best[1]), r: 5 }, drawn);
        shape("title", {}, ring).textContent = `best ${curve.name}: ${digits(curve.best[1])} at ${data.x} ${digits(curve.best[0])}`;
      }
      overlay.replaceChildren();
      svg.append(overlay);
      logButton.setAttribute("aria-pressed", isLog());
      resetButton.hidden = !view.x;
      for (const button of legend.children) button.setAttribute("aria-pressed", !view.off.includes(button.value));
      if (view.at !== null) point(view.at);
    };

    // the crosshair, on the point of any curve that is nearest to the pointer
    const point = (at) => {
      overlay.replaceChildren();
      const curves = shown().filter((curve) => curve.x.length);
      if (!curves.length || at < x[0] || at > x[1]) return leave();
      const found = curves.map((curve) => ({ curve, index: nearest(curve.x, at) }));
      const best = found.reduce((a, b) => (Math.abs(a.curve.x[a.index] - at) <= Math.abs(b.curve.x[b.index] - at) ? a : b));
      const where = best.curve.x[best.index];
      view.at = where;
      const left = placeX(where);
      shape("line", { class: "cross", x1: left, x2: left, y1: edges.top, y2: height - edges.bottom }, overlay);
      tip.replaceChildren();
      element("strong", "", tip, `${data.x} ${digits(where)}`);
      const table = element("table", "", tip);
      for (const { curve } of found) {
        const index = nearest(curve.x, where), value = curve.y[index];
        const row = element("tr", "", table), name = element("th", "", row);
        element("i", `k${curve.colour}`, name);
        name.append(curve.name);
        const elsewhere = Math.abs(curve.x[index] - where) > 0.02 * (x[1] - x[0]) ? ` at ${digits(curve.x[index])}` : "";
        element("td", "", row, digits(value) + elsewhere);
        if (curve.x[index] >= x[0] && curve.x[index] <= x[1]) {
          shape("circle", { class: `spot k${curve.colour}`, cx: placeX(curve.x[index]), cy: placeY(value), r: 4 }, overlay);
        }
      }
      tip.hidden = false;
      const room = figure.clientWidth, wanted = left + 12 + 16, size = tip.offsetWidth;
      tip.style.left = `${Math.max(4, wanted + size > room - 4 ? left + 12 - 16 - size : wanted)}px`;
      tip.style.top = `${svg.getBoundingClientRect().top - figure.getBoundingClientRect().top + edges.top + 6}px`;
    };
    const leave = () => { view.at = null; tip.hidden = true; overlay.replaceChildren(); };

    const zoom = (low, high) => {
      const least = (spec.x[1] - spec.x[0]) / 2000;
      [low, high] = [Math.max(low, spec.x[0]), Math.min(high, spec.x[1])];
      if (high - low < least) return;
      view.x = high - low >= (spec.x[1] - spec.x[0]) * 0.999 ? null : [low, high];
      draw();
      keep();
    };
    const zoomAround = (at, factor) => zoom(at - (at - x[0]) * factor, at + (x[1] - at) * factor);
    const reset = () => { view.x = null; draw(); keep(); };
    const inside = (event) => {
      const box = svg.getBoundingClientRect();
      return Math.min(Math.max(((event.clientX - box.left) / box.width) * width, edges.left), width - edges.right);
    };

    svg.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      pointers.set(event.pointerId, inside(event));
      try { svg.setPointerCapture(event.pointerId); } catch { /* a pointer that is gone already */ }
      drag = pointers.size === 1 ? { from: inside(event), to: inside(event) } : null;
      if (pointers.size === 2) pinch.start();
    });
    const pinch = {
      begun: null,
      start() { this.begun = { x: [...x], places: [...pointers.values()].map(valueX).sort((a, b) => a - b) }; },
      move() {
        const [left, right] = [...pointers.values()].sort((a, b) => a - b), [low, high] = this.begun.places;
        if (right - left < 8) return;
        const scale = (high - low) / (right - left), start = low - (left - edges.left) * scale;
        zoom(start, start + (width - edges.left - edges.right) * scale);
      },
    };
    svg.addEventListener("pointermove", (event) => {
      if (pointers.has(event.pointerId)) pointers.set(event.pointerId, inside(event));
      if (pointers.size === 2) return pinch.move();
      if (!drag) return point(valueX(inside(event)));
      drag.to = inside(event);
      if (Math.abs(drag.to - drag.from) < 5) return point(valueX(drag.to));
      leave();
      const [left, right] = [drag.from, drag.to].sort((a, b) => a - b);
      shape("rect", { class: "band", x: left, width: right - left, y: edges.top, height: height - edges.top - edges.bottom }, overlay);
    });
    const release = (event) => {
      pointers.delete(event.pointerId);
      const done = drag;
      drag = null;
      if (event.type !== "pointerup" || !done) return;
      const [left, right] = [done.from, done.to].sort((a, b) => a - b);
      overlay.replaceChildren();
      if (right - left >= 5) zoom(valueX(left), valueX(right)); else point(valueX(right));
    };
    svg.addEventListener("pointerup", release);
    svg.addEventListener("pointercancel", release);
    svg.addEventListener("pointerleave", () => { if (!drag) leave(); });
    svg.addEventListener("dblclick", reset);
    svg.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey) return;  // a plain wheel scrolls the page; a touchpad's pinch has ctrlKey
      event.preventDefault();
      zoomAround(valueX(inside(event)), Math.exp(Math.max(-60, Math.min(60, event.deltaY)) * 0.006));
    }, { passive: false });
    svg.addEventListener("keydown", (event) => {
      const middle = view.at === null ? (x[0] + x[1]) / 2 : view.at, step = (x[1] - x[0]) / 50;
      const does = {
        ArrowLeft: () => walk(middle, -step), ArrowRight: () => walk(middle, step),
        "+": () => zoomAround(middle, 0.7), "=": () => zoomAround(middle, 0.7), "-": () => zoomAround(middle, 1 / 0.7),
        0: reset, Escape: () => { leave(); reset(); },
      }[event.key];
      if (!does || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      does();
    });
    // to the next point in a direction, or a step further where the points are dense
    const walk = (from, step) => {
      let next = null;
      for (const curve of shown()) {
        for (const place of curve.x) {
          if (step > 0 ? place > from : place < from) {
            if (next === null || Math.abs(place - from) < Math.abs(next - from)) next = place;
          }
        }
      }
      if (next !== null) point(Math.abs(next - from) < Math.abs(step) ? Math.min(Math.max(from + step, x[0]), x[1]) : next);
    };
    svg.addEventListener("blur", leave);
    logButton.addEventListener("click", () => { view.log = !isLog(); draw(); keep(); });
    resetButton.addEventListener("click", reset);

    for (const curve of spec.curves) {
      const button = element("button", `k${curve.colour}`, legend);
      button.type = "button";
      button.value = curve.name;
      const sample = shape("svg", { viewBox: "0 0 22 8", "aria-hidden": "true" });
      shape("line", { class: "curve", x1: 0, x2: 22, y1: 4, y2: 4, "stroke-dasharray": curve.dash }, sample);
      button.append(sample, curve.name);
      button.addEventListener("click", () => {
        view.off = view.off.includes(curve.name) ? view.off.filter((name) => name !== curve.name) : [...view.off, curve.name];
        draw();
        keep();
      });
    }
    draw();
    return { draw, isBusy: () => drag !== null || pointers.size > 0 };
  }

  const charts = [...document.querySelectorAll("[data-chart]")].map((figure) => {
    const number = Number(figure.dataset.chart);
    return drawChart(figure, data.charts[number], number);
  });
  let drawnWidth = innerWidth;
  const redraw = () => charts.forEach((chart) => chart.draw());
  addEventListener("resize", () => { if (innerWidth !== drawnWidth) { drawnWidth = innerWidth; redraw(); } });
  addEventListener("beforeprint", () => {
    document.querySelectorAll("details").forEach((one) => { one.dataset.was = one.open; one.open = true; });
    redraw();
  });
  addEventListener("afterprint", () => {
    document.querySelectorAll("details").forEach((one) => { one.open = one.dataset.was === "true"; });
    redraw();
  });
  for (const one of document.querySelectorAll("details")) {
    if (one.id in kept.open) one.open = kept.open[one.id];
    one.addEventListener("toggle", () => { if (one.dataset.was === undefined) { kept.open[one.id] = one.open; keep(); } });
  }

  // ---- a page that lives ----
  if (data.live) {
    try { history.scrollRestoration = "manual"; } catch { /* then the browser does it */ }
    scrollTo(0, kept.scroll);
    const opened = Date.now(), age = () => Math.max(0, Date.now() / 1000 - data.written);
    const label = document.getElementById("age"), long = Math.max(60, 20 * data.wait);
    const spell = (seconds) => (seconds < 90 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`);
    const tell = () => {
      label.textContent = age() < long ? ` · ${spell(age())} ago` : ` · no news for ${spell(age())}: it may have been stopped; “fourstep report” on its folder looks`;
    };
    const refresh = () => {
      const wait = age() < long ? data.wait : Math.max(30, data.wait);
      const selects = String(getSelection()).length > 0;
      if ((Date.now() - opened) / 1000 < wait || document.hidden || selects || charts.some((chart) => chart.isBusy())) return;
      keep();
      location.reload();
    };
    tell();
    setInterval(() => { tell(); refresh(); }, 500);
  }
})();
