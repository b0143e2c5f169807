// The page: selection, leaderboards, samples, settings. Text of runs is set as textContent alone.
// One module together with charts.js.

const { rows, runs, metrics, settings, selected: initial } = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const COLOURS = 8;
const DASHES = [[], [6, 4], [2, 3], [9, 3, 2, 3]];
const single = rows.length === 1;

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

const figure = (value) =>
  value == null ? "–" : Math.abs(value) >= 1000 && Math.abs(value) < 1e7 ? Math.round(value).toLocaleString("en") : String(+value.toPrecision(4));

const tell = (text) => ($("said").textContent = text);

// Selection: row -> number of its colour; a row keeps its colour while it is selected.

const slots = new Map();

function select(row, on) {
  if (!on) slots.delete(row);
  else if (!slots.has(row)) {
    const taken = new Set(slots.values());
    let slot = 0;
    while (taken.has(slot)) slot++;
    slots.set(row, slot);
  }
}

const colour = (row) => `var(--c${slots.get(row) % COLOURS})`;
const chosen = () => [...slots.keys()].sort((a, b) => a - b);
const chosenRuns = () => chosen().flatMap((row) => rows[row].runs.map((id) => ({ ...runs[id], id, row })));
const nameOf = (run) => (rows[run.row].runs.length > 1 ? rows[run.row].label + run.seed : rows[run.row].label);

// Theme

const THEMES = { "": "System", light: "Light", dark: "Dark" };

function remembered(value) {
  try {
    if (value !== undefined) localStorage.setItem("report-theme", value);
    return localStorage.getItem("report-theme") ?? "";
  } catch {
    return ""; // no storage for files in this browser
  }
}

function setTheme(theme) {
  if (theme) document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
  $("theme").lastElementChild.textContent = THEMES[theme];
  $("theme").setAttribute("aria-label", `Colours: ${THEMES[theme]}`);
}

$("theme").addEventListener("click", () => {
  const names = Object.keys(THEMES);
  const next = names[(names.indexOf(document.documentElement.dataset.theme ?? "") + 1) % names.length];
  setTheme(next);
  remembered(next);
  drawCharts();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawCharts());

// Leaderboards

function sortValue(tr, column) {
  const cell = tr.cells[column];
  const shown = cell.querySelector(`.${$("kind").value}`);
  const holder = shown ?? cell;
  if (cell.classList.contains("number")) return holder.dataset.value ? Number(holder.dataset.value) : null;
  return cell.textContent.trim().toLowerCase();
}

function sortBy(th, direction) {
  const table = th.closest("table");
  for (const other of table.querySelectorAll("[aria-sort]")) other.removeAttribute("aria-sort");
  th.setAttribute("aria-sort", direction);
  const sign = direction === "ascending" ? 1 : -1;
  const found = [...table.tBodies[0].rows].map((tr) => [sortValue(tr, th.cellIndex), tr]);
  found.sort(([a], [b]) => (a === null || b === null ? (a === null) - (b === null) : a < b ? -sign : a > b ? sign : 0));
  table.tBodies[0].append(...found.map(([, tr]) => tr));
}

for (const button of document.querySelectorAll(".board thead button")) {
  button.addEventListener("click", () => {
    const th = button.parentElement;
    const first = button.textContent.includes("↑") ? "descending" : "ascending";
    const other = first === "ascending" ? "descending" : "ascending";
    sortBy(th, th.getAttribute("aria-sort") === first ? other : first);
  });
}

$("kind")?.addEventListener("change", () => {
  document.body.dataset.kind = $("kind").value;
  for (const th of document.querySelectorAll(".board [aria-sort]")) sortBy(th, th.getAttribute("aria-sort"));
});

const lines = [...document.querySelectorAll(".board [data-row]")];

function update() {
  for (const tr of lines) {
    const row = Number(tr.dataset.row);
    const box = tr.querySelector("input");
    if (box) box.checked = slots.has(row);
    tr.querySelector(".swatch")?.style.setProperty("--swatch", slots.has(row) ? colour(row) : "transparent");
  }
  if (!single) $("selected").textContent = `${slots.size} of ${rows.length} selected`;
  drawCharts();
  drawSamples();
  drawSettings();
}

for (const tr of lines)
  tr.querySelector("input")?.addEventListener("change", (event) => {
    select(Number(tr.dataset.row), event.target.checked);
    update();
  });

$("filter")?.addEventListener("input", (event) => {
  const words = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const tr of lines) {
    const text = `${rows[tr.dataset.row].label} ${rows[tr.dataset.row].data} ${tr.querySelector(".status").textContent}`.toLowerCase();
    tr.hidden = !words.every((word) => text.includes(word));
  }
  tell(`${lines.filter((tr) => !tr.hidden).length} configurations shown`);
});
$("select-shown")?.addEventListener("click", () => {
  for (const tr of lines) if (!tr.hidden) select(Number(tr.dataset.row), true);
  update();
});
$("select-none")?.addEventListener("click", () => {
  slots.clear();
  update();
});

document.addEventListener("click", async (event) => {
  const button = event.target.closest?.(".copy");
  if (!button) return;
  try {
    await navigator.clipboard.writeText(button.dataset.command);
  } catch {
    const area = make("textarea", { value: button.dataset.command });
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
    button.focus();
  }
  button.textContent = "Copied";
  tell("Command copied");
  setTimeout(() => (button.textContent = "Copy"), 1500);
});

// Panels of charts

const option = (value, text) => make("option", { value, textContent: text });
const players = [...new Set(runs.flatMap((run) => Object.keys(run.players)))];
const terms = [...new Set(runs.flatMap((run) => Object.keys(run.losses.columns)))];

$("metric").append(...Object.entries(metrics).map(([name, { better }]) => option(name, `${name}${better ? ` (${better} is better)` : ""}`)));
$("terms").append(option("", "losses and gradient norms"), ...terms.map((name) => option(name, name)));

/** Panels are drawn when they come into view, and again when anything they show has changed. */
const drawn = { "metric-panel": drawMetric, "loss-panel": drawLosses };
const visible = new Set();
const seen = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries)
    if (isIntersecting && !visible.has(target.id)) {
      visible.add(target.id);
      drawn[target.id]();
    }
}, { rootMargin: "300px" });

function drawCharts() {
  for (const id of visible) drawn[id]();
}

function drawMetric() {
  const key = $("metric").value;
  $("metric-help").textContent = metrics[key]?.help ?? "";
  const floors = new Map();
  for (const row of chosen()) {
    const value = rows[row].floors[key];
    if (value != null) floors.set(value, { value, label: `real ${rows[row].data} ${figure(value)}` });
  }
  panel($("metric-panel"), { table: "metrics", columns: [{ key, title: key }], axis: $("axis").value, log: $("metric-log").checked, floors: [...floors.values()], height: 360 });
}

function drawLosses() {
  const of = (player, which) => runs.find((run) => player in run.players).players[player][which];
  const both = players.flatMap((player) => [
    { key: of(player, 0), title: `${player} loss` },
    { key: of(player, 1), title: `${player} gradient norm` },
  ]);
  const term = $("terms").value;
  const columns = term ? [{ key: term, title: term }] : both;
  panel($("loss-panel"), { table: "losses", columns, axis: $("axis").value, log: $("loss-log").checked, height: term ? 360 : 220 });
}

for (const id of ["metric", "axis", "metric-log", "loss-log", "terms"]) $(id).addEventListener("change", drawCharts);

// Samples: one slider for all runs

let times = [];

function drawSamples() {
  const shown = chosenRuns().filter((run) => run.frames?.length);
  times = [...new Set(shown.flatMap((run) => run.frames.map(([iteration]) => iteration)))].sort((a, b) => a - b);
  const slider = $("time");
  const atEnd = slider.value === slider.max;
  slider.max = Math.max(times.length - 1, 0);
  if (atEnd) slider.value = slider.max;
  slider.disabled = times.length < 2;
  $("samples").replaceChildren(
    ...shown.map((run) => {
      const image = make("img", { loading: "lazy" });
      const element = make("figure", {}, image, make("figcaption", {}, nameOf(run), make("br"), make("span", { className: "quiet" })));
      element.style.setProperty("--swatch", colour(run.row));
      element.run = run;
      return element;
    }),
  );
  if (!shown.length) $("samples").append(make("p", { className: "empty", textContent: "No grids of the selected runs are in this file." }));
  showTime();
}

function showTime() {
  const time = times[$("time").value];
  $("time-shown").textContent = time === undefined ? "" : time.toLocaleString("en");
  $("time").setAttribute("aria-valuetext", `iteration ${time}`);
  for (const element of document.querySelectorAll("#samples figure")) {
    const { frames } = element.run;
    const [iteration, source] = frames[before(frames.map(([at]) => at), time)];
    const image = element.querySelector("img");
    if (image.src !== source) image.src = source;
    image.alt = `Samples of ${nameOf(element.run)} after ${iteration} iterations`;
    element.querySelector("span").textContent = `iteration ${iteration.toLocaleString("en")}`;
  }
}

$("time").addEventListener("input", showTime);

// Settings that differ among the selected runs

function drawSettings() {
  const table = $("settings");
  if (!table) return;
  const shown = chosenRuns();
  const keys = settings.keys.flatMap((key, k) => {
    const values = shown.map((run) => settings.rows[k][run.id]);
    return new Set(values).size > 1 ? [[key, values.map((value) => settings.values[value])]] : [];
  });
  const caption = make("caption", { className: "empty", textContent: shown.length < 2 ? "Select two or more runs." : "The selected runs have the same settings." });
  if (!keys.length) return table.replaceChildren(caption);
  const head = make("tr", {}, make("th", { scope: "col", textContent: "Setting" }), ...shown.map((run) => make("th", { scope: "col", textContent: nameOf(run) })));
  const body = keys.map(([key, values]) => make("tr", {}, make("th", { scope: "row", textContent: key }), ...values.map((value) => make("td", { textContent: value, title: value }))));
  table.replaceChildren(make("thead", {}, head), make("tbody", {}, ...body));
}

addEventListener("hashchange", () => {
  const target = document.getElementById(location.hash.slice(1));
  if (target?.tagName === "DETAILS") target.open = true;
});

setTheme(remembered());
for (const row of initial) select(row, true);
for (const id in drawn) seen.observe($(id));
update();
