// Sorting, filters, chosen columns, sliders, hints at cut tables, and addresses that keep a page's state. Every page can
// be read without this file.
"use strict";

const all = (selector, within = document) => [...within.querySelectorAll(selector)];

// The state of a page is the part of its address after '#': a=1&b=2.
const state = new URLSearchParams(location.hash.slice(1));
function remember(key, value) {
  if (value === "" || value === null) state.delete(key); else state.set(key, value);
  const text = state.toString();
  history.replaceState(null, "", text ? "#" + text : location.pathname.split("/").pop());
}

function valueOf(row, column) {
  const cell = row.children[column];
  const value = cell.dataset.value;
  return value === undefined ? cell.textContent.trim() : value === "" ? NaN : Number(value);
}

function sortTable(table, column, direction) {
  const body = table.tBodies[0];
  const [bounds, rows] = [all("tr.bound", body), all("tr:not(.bound)", body)];
  const sign = direction === "descending" ? -1 : 1;
  rows.sort((a, b) => {
    const [x, y] = [valueOf(a, column), valueOf(b, column)];
    if (typeof x === "string") return sign * x.localeCompare(y);
    if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) - Number.isNaN(y);  // rows without a value always come last
    return sign * (x - y);
  });
  body.append(...rows, ...bounds);
  all("thead th", table).forEach((th, k) => {
    if (k === column) th.setAttribute("aria-sort", direction); else th.removeAttribute("aria-sort");
  });
}

all("table.sortable").forEach((table) => {
  all("thead th", table).forEach((th, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...th.childNodes);
    th.append(button);
    button.addEventListener("click", () => {
      const first = th.dataset.better === "lower" || column === 0 ? "ascending" : "descending";
      const other = first === "ascending" ? "descending" : "ascending";
      const direction = th.getAttribute("aria-sort") === first ? other : first;
      sortTable(table, column, direction);
      remember("sort." + table.id, column + "." + direction);
    });
  });
  const [column, direction] = (state.get("sort." + table.id) || "").split(".");
  if (direction) sortTable(table, Number(column), direction);
});

// Filters: rows and sections carry data-<name>; each select names what it filters by.
function applyFilters() {
  const wanted = all("select[data-filter]").map((s) => [s.dataset.filter, s.value]).filter(([, v]) => v);
  all("[data-filtered]").forEach((item) => {
    const has = wanted.filter(([name]) => item.dataset[name] !== undefined);
    item.hidden = !has.every(([name, value]) => item.dataset[name].split(" ").includes(value));
  });
  const methods = wanted.filter(([name]) => name === "adapter" || name === "consolidation");
  all(".dot[data-adapter]").forEach((dot) => {
    const has = methods.every(([name, value]) => dot.dataset[name].split(" ").includes(value));
    dot.classList.toggle("out", !has);
  });
  all("[data-count]").forEach((out) => {
    const rows = all("tbody tr[data-filtered]", document.getElementById(out.dataset.count));
    out.textContent = rows.filter((r) => !r.hidden).length + " of " + rows.length + " methods";
  });
}
all("select[data-filter]").forEach((select) => {
  select.value = state.get(select.dataset.filter) || "";
  select.addEventListener("change", () => { remember(select.dataset.filter, select.value); applyFilters(); });
});

// Columns: one checkbox each; the address keeps those that are off.
function showColumn(table, name, on) {
  const column = all("thead th", table).findIndex((th) => th.dataset.column === name);
  all("tr", table).forEach((row) => { row.children[column].hidden = !on; });
}
all("input[data-column]").forEach((box) => {
  const table = document.getElementById(box.dataset.table);
  const key = "off." + table.id;
  const off = new Set((state.get(key) || "").split(",").filter(Boolean));
  box.checked = !off.has(box.dataset.column);
  showColumn(table, box.dataset.column, box.checked);
  box.addEventListener("change", () => {
    showColumn(table, box.dataset.column, box.checked);
    const hidden = all(`input[data-table="${table.id}"]`).filter((b) => !b.checked).map((b) => b.dataset.column);
    remember(key, hidden.join(","));
    showHints();
  });
});

// Hints: a table that is wider than its place shows how many columns are out of sight, and a shadow at its edge.
function showHint(scroller) {
  const [hint, place] = [scroller.querySelector(".hint"), scroller.querySelector(".scroll")];
  const edge = place.getBoundingClientRect().right + 1;
  const beyond = all("thead th", place).filter((th) => th.getBoundingClientRect().right > edge).length;
  const cut = place.scrollWidth > place.clientWidth + 1;
  hint.hidden = !cut;
  hint.classList.toggle("done", !beyond);
  if (beyond) hint.textContent = `Scroll sideways for ${beyond} more column${beyond === 1 ? "" : "s"} →`;
  scroller.classList.toggle("more", beyond > 0);
  scroller.classList.toggle("moved", place.scrollLeft > 1);
}
const showHints = () => all(".scroller").forEach(showHint);
all(".scroller").forEach((scroller) => {
  scroller.querySelector(".scroll").addEventListener("scroll", () => showHint(scroller), { passive: true });
});
addEventListener("resize", showHints);

// The slider: shows the pictures after a task in every film that it controls.
function showTask(slider) {
  const task = Number(slider.value);
  const names = JSON.parse(slider.dataset.names);
  const caption = task === 0 ? "before any task" : `after task ${task} (${names[task - 1]})`;
  document.getElementById(slider.dataset.output).textContent = caption;
  slider.setAttribute("aria-valuetext", caption);
  all(`.film[data-slider="${slider.id}"]`).forEach((film) => {
    film.style.setProperty("--task", task);
    all("figure", film).forEach((figure) => {
      const own = Number(figure.dataset.task);
      figure.classList.toggle("future", own > task);
      figure.classList.toggle("now", own === task);
      all(".frame.after", figure).forEach((f) => f.setAttribute("aria-label", `${figure.dataset.name}, ${caption}`));
    });
  });
}
all("input[type=range][data-names]").forEach((slider) => {
  slider.value = state.get("task") ?? slider.max;
  slider.addEventListener("input", () => { showTask(slider); remember("task", slider.value); });
  showTask(slider);
});

// Compare: two selects choose the methods and the difference that are shown, the first method first.
function bring(name, chosen) {
  all(`[data-${name}]`).forEach((part) => { part.hidden = !chosen.includes(part.dataset[name]); });
  chosen.forEach((method) => {
    const part = document.querySelector(`[data-${name}="${method}"]`);
    if (part) part.parentNode.append(part);
  });
}

// Each pair of methods has one row; in the other direction every sign is changed.
const negated = (text) => text.replace(/^-?(?=\d)/, (sign) => (sign || !/[1-9]/.test(text) ? "" : "-"));
function turn(row) {
  row.dataset.pair = row.dataset.pair.split(" ").reverse().join(" ");
  const [first, second] = all("th span", row);
  [first.textContent, second.textContent] = [second.textContent, first.textContent];
  all(".value", row).forEach((value) => { value.textContent = negated(value.textContent); });
  all(".pm", row).forEach((interval) => {
    const [low, high] = interval.textContent.slice(1, -1).split(", ");
    interval.textContent = `[${negated(high)}, ${negated(low)}]`;
  });
  all(".sure", row).forEach((cell) => { cell.classList.toggle("up"); cell.classList.toggle("down"); });
}

// Both films show the same order and seed: the first of which both methods have pictures.
function showTake(a, b) {
  const watch = document.querySelector("[data-takes]");
  if (!watch) return;
  const own = (method) => all(`[data-filmed="${method}"] [data-take]`, watch).map((film) => film.dataset.take);
  const take = own(a).find((k) => own(b).includes(k));
  const slider = watch.querySelector("input[type=range]");
  const shown = take === undefined ? null : JSON.parse(watch.dataset.takes)[take];
  all("[data-take]", watch).forEach((film) => { film.hidden = film.dataset.take !== take; });
  all("[data-filmed]", watch).forEach((part) => { part.hidden = part.hidden || !shown; });
  watch.querySelector(".slider").hidden = !shown;
  document.getElementById("take").textContent = shown ? shown.caption
    : "No pictures of both methods with the same task order and seed are stored here. Re-run both with the commands on the pages of their runs, then use 'cpbench report'.";
  if (shown) { slider.dataset.names = JSON.stringify(shown.names); showTask(slider); }
}

function choosePair() {
  const [a, b] = all("select[data-side]").map((s) => s.value);
  bring("method", [a, b]);
  bring("filmed", [a, b]);
  showTake(a, b);
  all("[data-pair]").forEach((row) => {
    if (row.dataset.pair === `${b} ${a}`) turn(row);
    row.hidden = row.dataset.pair !== `${a} ${b}`;
  });
  document.getElementById("same").hidden = a !== b;
}
all("select[data-side]").forEach((select) => {
  const wanted = state.get(select.dataset.side);
  if (wanted && all("option", select).some((o) => o.value === wanted)) select.value = wanted;
  select.addEventListener("change", () => { remember(select.dataset.side, select.value); choosePair(); });
});

all(".controls[hidden], .film[hidden], .needs-script[hidden]").forEach((part) => { part.hidden = false; });
all(".without-script").forEach((part) => { part.hidden = true; });
if (all("select[data-side]").length) choosePair();
if (all("select[data-filter]").length) applyFilters();
showHints();
