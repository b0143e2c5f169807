// Charts of the selected runs with a table of the values at the cursor. One module together with report.js.

/** Points of one column of a run: x rising, y known. */
function points(run, table, axis, column, log) {
  const xs = run[table].axes[axis] ?? [];
  const ys = run[table].columns[column] ?? [];
  const kept = [...ys.keys()].filter((i) => ys[i] != null && xs[i] != null && !(log && ys[i] <= 0));
  return { x: kept.map((i) => xs[i]), y: kept.map((i) => ys[i]) };
}

/** Index of the last of the rising `xs` at or before `x`; the first where all are after it. */
function before(xs, x) {
  let low = 0, high = xs.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (xs[middle] <= x) low = middle + 1;
    else high = middle;
  }
  return Math.max(low - 1, 0);
}

/** Common x of all curves; where they share few, a grid finer than the screen, so that drawing stays fast. */
function aligned(curves) {
  const count = new Set(curves.flatMap(({ x }) => x)).size;
  const last = Math.max(...curves.map(({ x }) => x.at(-1) ?? 0), 0);
  const step = count > 3000 && last > 0 ? last / 1500 : 0;
  const snapped = curves.map(({ x, y }) => {
    const at = new Map(x.map((value, i) => [step ? Math.round(value / step) * step : value, y[i]]));
    return [[...at.keys()], [...at.values()]];
  });
  return uPlot.join(snapped);
}

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

const short = (x) => (x >= 1e6 ? `${+(x / 1e6).toFixed(2)}M` : x >= 1e4 ? `${+(x / 1e3).toFixed(1)}k` : x);

/** Charts of `columns` of one table in `box`, with a table of values at the cursor for all of them. */
function panel(box, { table, columns, axis, log, floors = [], height }) {
  for (const chart of box.charts ?? []) chart.destroy();
  box.charts = [];
  box.watch?.disconnect();
  const shown = chosenRuns().filter((run) => columns.some(({ key }) => key in run[table].columns));
  if (!shown.length) {
    box.replaceChildren(make("p", { className: "empty", textContent: slots.size ? "The selected runs have no such figures." : "Select a configuration above." }));
    return;
  }
  const curves = columns.map(({ key }) => shown.map((run) => points(run, table, axis, key, log)));
  const charts = make("div", { className: columns.length > 1 ? "charts many" : "charts" });
  const caption = make("caption");
  const body = make("tbody");
  const head = make("thead", {}, make("tr", {}, make("th", { textContent: "Run" }), ...columns.map(({ title }) => make("th", { className: "number", textContent: title }))));
  const readout = make("div", { className: "box readout", tabIndex: 0 }, make("table", {}, caption, head, body));
  readout.setAttribute("role", "region");
  readout.setAttribute("aria-label", "Values at the cursor");
  box.replaceChildren(charts, readout);

  const end = Math.max(...curves.flat().map(({ x }) => x.at(-1) ?? 0));
  const read = (x) => {
    const found = shown.map((run, i) => ({ run, values: curves.map((of) => of[i].y[before(of[i].x, x)]) }));
    found.sort((a, b) => (a.values[0] ?? Infinity) - (b.values[0] ?? Infinity));
    caption.textContent = `${x === end ? "End, " : "At "}${axis} ${figure(x)}`;
    body.replaceChildren(
      ...found.map(({ run, values }) => {
        const swatch = make("i", { className: "swatch" });
        swatch.style.setProperty("--swatch", colour(run.row));
        return make("tr", {}, make("th", { scope: "row" }, swatch, nameOf(run)), ...values.map((value) => make("td", { className: "number", textContent: figure(value) })));
      }),
    );
  };
  read(end);

  const grid = { stroke: css("--line"), width: 1 };
  const look = { stroke: css("--quiet"), grid, ticks: { show: false }, font: "12px system-ui, sans-serif" };
  const sync = uPlot.sync(box.id);
  columns.forEach(({ key, title }, k) => {
    const holder = make("div", { className: "chart", tabIndex: 0 }, make("h4", { textContent: title }));
    holder.setAttribute("role", "img");
    holder.setAttribute("aria-label", `${title} against ${axis}; the arrow keys move the cursor, and the table has the values`);
    charts.append(holder);
    const dashed = floors.filter(({ value }) => !log || value > 0);
    const chart = new uPlot(
      {
        width: Math.max(holder.clientWidth - 26, 80),
        height,
        legend: { show: false },
        cursor: { y: false, drag: { x: true, y: false }, points: { size: 6 }, sync: { key: sync.key, setSeries: false } },
        scales: {
          x: { time: false },
          y: { distr: log ? 3 : 1, range: log ? undefined : (u, low, high) => {
            const all = [low, high, ...dashed.map(({ value }) => value)].filter((value) => value != null);
            return all.length ? uPlot.rangeNum(Math.min(...all), Math.max(...all), 0.08, true) : [0, 1];
          } },
        },
        axes: [
          { ...look, space: 70, size: 30, label: axis === "iteration" ? "iterations" : axis, labelSize: 20, labelFont: look.font, labelGap: 0, values: (u, ticks) => ticks.map(short) },
          { ...look, size: 58, values: (u, ticks) => ticks.map((y) => (y == null ? "" : +y.toPrecision(6))) },
        ],
        series: [{}, ...shown.map((run) => ({
          stroke: css(`--c${slots.get(run.row) % COLOURS}`),
          dash: DASHES[Math.floor(slots.get(run.row) / COLOURS) % DASHES.length],
          width: shown.length > 40 ? 1 : 1.6,
          spanGaps: true,
          points: { show: curves[k].every(({ x }) => x.length < 40) && shown.length <= 40, size: 5 },
        }))],
        hooks: {
          setCursor: [(u) => {
            if (u.cursor.event || u.keyed) read(u.cursor.left >= 0 ? u.posToVal(u.cursor.left, "x") : end);
          }],
          draw: [(u) => {
            const { ctx, bbox } = u;
            ctx.save();
            ctx.strokeStyle = ctx.fillStyle = css("--quiet");
            ctx.lineWidth = devicePixelRatio;
            ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
            ctx.textAlign = "right";
            for (const { value, label } of dashed) {
              const y = Math.round(u.valToPos(value, "y", true));
              ctx.setLineDash([5 * devicePixelRatio, 4 * devicePixelRatio]);
              ctx.beginPath();
              ctx.moveTo(bbox.left, y);
              ctx.lineTo(bbox.left + bbox.width, y);
              ctx.stroke();
              ctx.fillText(label, bbox.left + bbox.width - 4, y - 5 * devicePixelRatio);
            }
            ctx.restore();
          }],
        },
      },
      aligned(curves[k]),
      holder,
    );
    holder.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity }[event.key];
      if (!step) return;
      event.preventDefault();
      const width = chart.over.clientWidth;
      const from = chart.cursor.left >= 0 ? chart.cursor.left : step < 0 ? width : 0;
      chart.keyed = true;
      chart.setCursor({ left: Math.min(Math.max(from + (step * width) / 50, 0), width), top: 10 });
      chart.keyed = false;
    });
    chart.over.addEventListener("mouseleave", () => read(end));
    box.charts.push(chart);
  });
  box.watch = new ResizeObserver(() => {
    for (const chart of box.charts) chart.setSize({ width: Math.max(chart.root.parentElement.clientWidth - 26, 80), height });
  });
  box.watch.observe(charts);
}
