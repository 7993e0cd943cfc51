"use strict";
// The page is whole without this script; it adds what can be pointed at, filtered, sorted and drawn.

const data = JSON.parse(document.getElementById("data").textContent);
const chinese = JSON.parse(document.getElementById("texts").textContent);
const root = document.documentElement;
const find = (id) => document.getElementById(id);

const state = {
  language: stored("language") ?? (navigator.language.startsWith("zh") ? "zh" : "en"),
  theme: stored("theme") ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"),
  confidence: data.confidence,
  shown: new Set(data.classes.keys()), // numbers of the classes that are shown
  share: false,
  labels: true,
  detections: true,
  mistakes: false,
};

// Texts are written in English; the table has their Chinese.
const text = (english) => (state.language === "zh" ? (chinese[english] ?? english) : english);
const figure = (value, digits = 3) => (value === null || value === undefined ? "–" : value.toFixed(digits));

function stored(name) {
  try { return localStorage.getItem(name); } catch { return null; } // a page from a file may not be let
}

function store(name, value) {
  try { localStorage.setItem(name, value); } catch { /* then it is forgotten */ }
}

function element(name, attributes = {}, ...children) {
  const space = ["svg", "path", "line", "rect", "text", "g"].includes(name) ? "http://www.w3.org/2000/svg" : null;
  const made = space ? document.createElementNS(space, name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// Eight colours that the colour-blind can tell apart (Okabe and Ito), then steps round the circle.
function classColour(label) {
  const first = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#8a7f00", "#7a5cc8"];
  return first[label] ?? `hsl(${Math.round(label * 222.5) % 360} 62% ${[48, 62, 38][label % 3]}%)`;
}

// Charts

const WIDTH = 560, HEIGHT = 320, LEFT = 44, RIGHT = 10, TOP = 10, BOTTOM = 40;

function ticks(low, high) {
  const step = [1, 2, 5, 10].map((k) => k * 10 ** Math.floor(Math.log10((high - low) / 5))).find((k) => (high - low) / k <= 6);
  const marks = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k++) marks.push(k * step);
  return marks;
}

function tickText(value) {
  if (value !== 0 && Math.abs(value) < 0.001) return value.toExponential(0);
  return String(Number(value.toPrecision(3)));
}

// series: {name, values, colour, mean, dashed}; null leaves a gap. marker: a vertical line at this x.
function lineChart({ title, xs, xName, series, range, marker, legend, onPick }) {
  const defined = series.flatMap((line) => line.values.filter((value) => value !== null));
  const [low, high] = range ?? [Math.min(0, ...defined), Math.max(...defined, 1e-9) * 1.05];
  const first = xs[0], last = xs.length > 1 ? xs[xs.length - 1] : first + 1;
  const x = (value) => LEFT + ((value - first) / (last - first)) * (WIDTH - LEFT - RIGHT);
  const y = (value) => HEIGHT - BOTTOM - ((value - low) / (high - low)) * (HEIGHT - TOP - BOTTOM);
  const drawing = element("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": title });
  for (const value of ticks(low, high)) {
    drawing.append(
      element("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y(value), y2: y(value) }),
      element("text", { class: "axis", x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, tickText(value)),
    );
  }
  for (const value of ticks(first, last)) {
    drawing.append(element("text", { class: "axis", x: x(value), y: HEIGHT - BOTTOM + 18, "text-anchor": "middle" }, tickText(value)));
  }
  drawing.append(element("text", { class: "axis", x: (LEFT + WIDTH - RIGHT) / 2, y: HEIGHT - 4, "text-anchor": "middle" }, xName));
  for (const line of series) {
    const path = element("path", { class: line.mean ? "curve mean" : "curve", d: pathOf(line.values, xs, x, y) });
    if (!line.mean) path.setAttribute("stroke", line.colour);
    if (line.dashed) path.setAttribute("stroke-dasharray", "5 4");
    drawing.append(path);
  }
  if (marker !== undefined) drawing.append(element("line", { class: "marker", x1: x(marker), x2: x(marker), y1: TOP, y2: HEIGHT - BOTTOM }));
  const pointer = element("line", { class: "pointer", y1: TOP, y2: HEIGHT - BOTTOM, visibility: "hidden" });
  drawing.append(pointer);
  const nearest = (event) => {
    const place = drawing.getBoundingClientRect();
    const wanted = first + (((event.clientX - place.left) / place.width) * WIDTH - LEFT) / (WIDTH - LEFT - RIGHT) * (last - first);
    return xs.reduce((best, value, k) => (Math.abs(value - wanted) < Math.abs(xs[best] - wanted) ? k : best), 0);
  };
  const read = (event) => {
    const k = nearest(event);
    pointer.setAttribute("x1", x(xs[k]));
    pointer.setAttribute("x2", x(xs[k]));
    pointer.setAttribute("visibility", "visible");
    showTip(event, `${xName} ${tickText(xs[k])}`, series.map((line) => ({ ...line, value: line.values[k] })));
  };
  drawing.addEventListener("pointermove", read);
  drawing.addEventListener("pointerdown", read); // a finger does not move before it touches
  drawing.addEventListener("pointerleave", (event) => {
    if (event.pointerType !== "mouse") return; // what a finger has shown stays until the next touch
    pointer.setAttribute("visibility", "hidden");
    find("tip").hidden = true;
  });
  if (onPick) drawing.addEventListener("click", (event) => onPick(xs[nearest(event)]));
  const chart = element("div", { class: "chart" }, element("h3", {}, title), drawing);
  chart.moveMarker = (value) => { for (const side of ["x1", "x2"]) drawing.querySelector(".marker")?.setAttribute(side, x(value)); };
  if (legend) chart.append(legendOf(series));
  return chart;
}

function pathOf(values, xs, x, y) {
  let path = "", pen = "M";
  values.forEach((value, k) => {
    if (value === null) { pen = "M"; return; }
    path += `${pen}${x(xs[k]).toFixed(1)} ${y(value).toFixed(1)}`;
    pen = "L";
  });
  return path;
}

function legendOf(series) {
  return element("div", { class: "legend" }, ...series.map((line) => {
    const key = element("span", { class: line.dashed ? "dashed" : "" }, element("i"), line.name);
    key.firstChild.style.borderColor = line.mean ? "var(--ink)" : line.colour;
    return key;
  }));
}

const MOST_IN_TIP = 12;

function showTip(event, head, lines) {
  const known = lines.filter((line) => line.value !== null && line.value !== undefined);
  known.sort((a, b) => (b.mean ?? false) - (a.mean ?? false) || b.value - a.value);
  const rows = known.slice(0, MOST_IN_TIP).map((line) => {
    const key = element("i", { class: "tip-key" });
    key.style.background = line.mean ? "var(--ink)" : line.colour;
    return element("tr", {}, element("td", {}, key), element("td", {}, line.name), element("td", {}, tipFigure(line.value)));
  });
  const more = known.length > MOST_IN_TIP ? [`+ ${known.length - MOST_IN_TIP}`] : [];
  const tip = find("tip");
  tip.replaceChildren(element("b", {}, head), element("table", {}, ...rows), ...more);
  tip.hidden = false;
  const { width, height } = tip.getBoundingClientRect();
  tip.style.left = `${Math.max(4, Math.min(event.clientX + 14, innerWidth - width - 4))}px`;
  tip.style.top = `${Math.max(4, Math.min(event.clientY + 14, innerHeight - height - 4))}px`;
}

const tipFigure = (value) => (Math.abs(value) < 0.001 && value !== 0 ? value.toExponential(2) : value.toFixed(4));

// Sections

function drawHistory() {
  const { epoch, ...columns } = data.history;
  if (!epoch?.length) return;
  const components = Object.keys(columns).filter((name) => name.startsWith("loss"));
  const losses = components.flatMap((name, k) => [
    { name: name.replace(/^loss_?/, "") || text("sum"), values: columns[name], colour: classColour(k) },
    ...(columns[`val_${name}`] ? [{ name: `${name.replace(/^loss_?/, "")} ${text("validation")}`, values: columns[`val_${name}`], colour: classColour(k), dashed: true }] : []),
  ]);
  const maps = [["mAP50-95", "map50_95"], ["mAP50", "map50"]].map(([name, key], k) => ({ name, values: columns[key], colour: classColour(k) }));
  const common = { xs: epoch, xName: text("epoch"), legend: true };
  find("history").replaceChildren(
    lineChart({ ...common, title: text("Loss"), series: losses.map(joined) }),
    lineChart({ ...common, title: text("mAP on the validation data"), series: maps.map(joined), range: [0, 1] }),
    lineChart({ ...common, title: text("Learning rate"), series: [{ name: "lr", values: columns.lr, colour: classColour(0) }] }),
  );
  find("training").hidden = false;
}

// Epochs without an evaluation are bridged by a straight line.
function joined(line) {
  const known = line.values.map((value, k) => (value === null ? null : k)).filter((k) => k !== null);
  const values = line.values.map((value, k) => {
    const after = known.find((place) => place >= k), before = known.findLast((place) => place <= k);
    if (value !== null || after === undefined || before === undefined) return value;
    return line.values[before] + ((line.values[after] - line.values[before]) * (k - before)) / (after - before);
  });
  return { ...line, values };
}

function drawCurves() {
  if (!data.classes.length) return;
  const { confidence, recalls } = data.curves;
  const series = (name) => [
    ...[...state.shown].sort((a, b) => a - b).map((label) => ({ name: data.classes[label], values: data.curves[name][label], colour: classColour(label) })),
    { name: text("mean of all"), values: data.curves[name].at(-1), mean: true },
  ].filter((line) => line.values.some((value) => value !== null));
  const pick = (value) => { state.confidence = value; drawConfidence(); };
  const against = { xs: confidence, xName: text("confidence"), range: [0, 1], marker: state.confidence, onPick: pick };
  find("class-curves").replaceChildren(
    lineChart({ ...against, title: "F1", series: series("f1") }),
    lineChart({ title: text("Precision against recall"), xs: recalls, xName: text("recall"), range: [0, 1], series: series("pr") }),
    lineChart({ ...against, title: text("Precision"), series: series("precision") }),
    lineChart({ ...against, title: text("Recall"), series: series("recall") }),
  );
  find("curves").hidden = false;
}

function drawConfidence() {
  const k = Math.round(state.confidence * (data.curves.confidence.length - 1));
  find("confidence").value = state.confidence;
  find("confidence-value").textContent = state.confidence.toFixed(3);
  for (const chart of find("class-curves").children) chart.moveMarker(state.confidence); // drawing 80 classes anew takes 27 ms
  const at = (name) => figure(data.curves[name].at(-1)[k]);
  find("at-confidence").textContent = `${text("Precision")} ${at("precision")} · ${text("Recall")} ${at("recall")} · F1 ${at("f1")}`;
  drawImages();
}

function drawFilter() {
  const wanted = find("class-search").value.toLowerCase();
  find("class-chips").replaceChildren(...data.classes.flatMap((name, label) => {
    if (!name.toLowerCase().includes(wanted)) return [];
    const chip = element("button", { type: "button", "aria-pressed": state.shown.has(label) }, element("i"), name);
    chip.firstChild.style.background = classColour(label);
    chip.addEventListener("click", () => {
      if (!state.shown.delete(label)) state.shown.add(label);
      chip.setAttribute("aria-pressed", state.shown.has(label)); // a new chip would lose the keyboard's focus
      countShown();
      drawCurves();
      drawImages();
    });
    return [chip];
  }));
  countShown();
}

function countShown() {
  find("class-count").textContent = `${state.shown.size} / ${data.classes.length}`;
}

const ADVICE = {
  class: "See the confusion matrix; label the two classes more consistently, or add images of them.",
  localisation: "Boxes do not fit tightly: check whether the labels do, train longer, or raise --image-size.",
  both: "Both the class and the box are wrong.",
  duplicate: "Lower --nms-iou, unless objects stand close together.",
  background: "Add images of such backgrounds without objects; a higher --confidence removes low-scoring ones.",
  missed: "Add images of the missed objects; for small ones raise --image-size. Are the labels complete?",
};

function drawErrors() {
  const { kinds, number, cost } = data.errors;
  const highest = Math.max(...cost.map((value) => value ?? 0), 1e-9);
  find("error-bars").replaceChildren(...kinds.map((kind, k) => {
    const fill = element("div", { class: "fill" });
    fill.style.width = `${(100 * (cost[k] ?? 0)) / highest}%`;
    return element("div", { class: "error" }, element("span", {}, text(kind)), element("div", { class: "track" }, fill),
      element("span", { class: "number" }, `+${figure(cost[k])}`), element("span", { class: "number" }, `${number[k]}×`),
      element("p", {}, text(ADVICE[kind])));
  }));
  find("errors").hidden = false;
}

function drawConfusion() {
  if (!data.classes.length) return;
  const heads = (last) => [...data.classes, text(last)];
  const head = element("tr", {}, element("th"), ...heads("missed").map((name) => element("th", { scope: "col", title: name }, element("span", {}, name))));
  const rows = heads("background").map((name, row) => {
    const counts = data.confusion[row];
    const sum = counts.reduce((total, count) => total + count, 0);
    return element("tr", {}, element("th", { scope: "row", title: name }, name), ...counts.map((count, column) => {
      const share = sum ? count / sum : 0;
      const shown = !count ? "" : state.share ? share.toFixed(2) : String(count);
      const cell = element("td", { title: `${name} → ${heads("missed")[column]}: ${count} (${(100 * share).toFixed(1)} %)` }, shown);
      if (count) cell.style.background = `color-mix(in srgb, var(${row === column ? "--correct" : "--wrong"}) ${Math.round(8 + 62 * share)}%, transparent)`;
      return cell;
    }));
  });
  find("confusion-table").replaceChildren(element("thead", {}, head), element("tbody", {}, ...rows));
  find("confusion-confidence").textContent = `${text("Confidence")} ${data.confidence.toFixed(3)}.`;
  find("confusion").hidden = false;
}

function drawCalibration() {
  const { edges, number, score, correct, error } = data.calibration;
  if (error === null) return;
  const x = (value) => LEFT + value * (WIDTH - LEFT - RIGHT), y = (value) => HEIGHT - BOTTOM - value * (HEIGHT - TOP - BOTTOM);
  const drawing = element("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": text("Calibration") });
  for (const value of [0, 0.25, 0.5, 0.75, 1]) {
    drawing.append(element("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y(value), y2: y(value) }),
      element("text", { class: "axis", x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, tickText(value)),
      element("text", { class: "axis", x: x(value), y: HEIGHT - BOTTOM + 18, "text-anchor": "middle" }, tickText(value)));
  }
  correct.forEach((share, k) => {
    if (share === null) return;
    const bar = element("rect", { x: x(edges[k]) + 2, width: x(edges[k + 1]) - x(edges[k]) - 4, y: y(share), height: y(0) - y(share), fill: "var(--accent)", opacity: 0.75 });
    bar.addEventListener("pointermove", (event) => showTip(event, `${edges[k]}–${edges[k + 1]}: ${number[k]}×`, [
      { name: text("mean score"), value: score[k], colour: "var(--muted)" }, { name: text("correct"), value: share, colour: "var(--accent)" }]));
    bar.addEventListener("pointerleave", () => { find("tip").hidden = true; });
    drawing.append(bar);
  });
  drawing.append(element("line", { class: "marker", x1: x(0), y1: y(0), x2: x(1), y2: y(1) }),
    element("text", { class: "axis", x: (LEFT + WIDTH - RIGHT) / 2, y: HEIGHT - 4, "text-anchor": "middle" }, text("confidence")));
  const title = `${text("Expected calibration error")} ${figure(error, 4)}`;
  find("calibration-chart").replaceChildren(element("div", { class: "chart" }, element("h3", {}, title), drawing));
  find("calibration").hidden = false;
}

// Images

function boxShape(kind, [left, top, right, bottom], name, view = [0, 0, 0, 0]) {
  const letters = Math.max(view[2], view[3]) / 36;
  const shape = element("g", {}, element("rect", { class: `box ${kind}`, x: left, y: top, width: Math.max(right - left, 0), height: Math.max(bottom - top, 0) }));
  if (name) shape.append(element("text", { class: "tag", x: Math.max(left, view[0]) + letters / 6, y: Math.max(top, view[1]) + letters, "font-size": letters, "stroke-width": letters / 5 }, name));
  return shape;
}

// Nothing where only the name of the image is known.
function stageOf(image, shapes) {
  if (!image.source) return [];
  const drawing = element("svg", { viewBox: image.view.join(" "), preserveAspectRatio: "none" }, ...shapes);
  image.image ??= element("img", { src: image.source, alt: "", loading: "lazy" }); // decoded once, not at each move
  const stage = element("button", { type: "button", class: "stage", "aria-label": image.name }, image.image, drawing);
  stage.style.setProperty("--ratio", image.view[2] / image.view[3]);
  stage.addEventListener("click", () => {
    const parts = [stage, stage.nextSibling].map((part) => part.cloneNode(true));
    find("large-content").replaceChildren(element("figure", {}, ...parts));
    find("large").showModal();
  });
  return [stage];
}

function drawImages() {
  if (!data.worstImages.length) return;
  find("worst").replaceChildren(...data.worstImages.flatMap((image) => {
    const counts = { correct: 0, wrong: 0, missed: 0 };
    const shapes = [], others = [];
    for (const [label, ...rest] of image.objects) {
      const box = rest.slice(0, 4), [score, counted] = rest.slice(4);
      if (!state.shown.has(label)) continue;
      const kind = !counted ? "aside" : score > 0 && score >= state.confidence ? "label" : "missed";
      if (kind === "missed") counts.missed++;
      if (state.labels && (!state.mistakes || kind === "missed")) {
        (kind === "missed" ? shapes : others).push(boxShape(kind, box, kind === "missed" || !state.detections ? data.classes[label] : "", image.view));
      }
    }
    for (const [label, ...rest] of image.detections) {
      const box = rest.slice(0, 4), [score, verdict] = rest.slice(4);
      if (!state.shown.has(label) || score < state.confidence) continue;
      const kind = verdict === 1 ? "correct" : verdict === 0 ? "wrong" : "aside";
      if (kind !== "aside") counts[kind]++;
      if (state.detections && (!state.mistakes || kind === "wrong")) {
        (kind === "wrong" ? shapes : others).push(boxShape(kind, box, `${data.classes[label]} ${score.toFixed(2)}`, image.view));
      }
    }
    if (!counts.correct && !counts.wrong && !counts.missed && state.shown.size < data.classes.length) return [];
    const reported = Object.entries(counts).map(([kind, count]) => `${text(kind)} ${count}`).join(" · ");
    const caption = element("figcaption", {}, image.name, element("span", { class: "counts" }, reported));
    const shown = element("figure", {});
    shown.append(...stageOf(image, [...others, ...shapes]), caption);
    return [shown];
  }));
  for (const part of document.querySelectorAll("#images .row, .keys")) part.hidden = !data.worstImages.some((image) => image.source);
  find("images").hidden = false;
}

const DOUBTS = {
  missing: "Nothing is labelled here.",
  class: "Labelled as another class.",
  box: "The labelled box does not fit.",
  "nothing there": "Nothing was detected here.",
};

function drawSuspects() {
  if (!data.suspects.length) return;
  find("doubtful").replaceChildren(...data.suspects.map((suspect) => {
    const named = (what, label) => label < 0 ? [] : [`${text(what)} ${data.classes[label]}`];
    const shapes = suspect.box && suspect.view ? [boxShape("label", suspect.box, "", suspect.view)] : [];
    if (suspect.suggestedBox && suspect.view) shapes.push(boxShape("wrong", suspect.suggestedBox, data.classes[suspect.suggested], suspect.view));
    const reported = [suspect.name, ...named("labelled", suspect.label), ...named("detected", suspect.suggested), suspect.score.toFixed(2)].join(" · ");
    const caption = element("figcaption", {}, element("b", {}, text(DOUBTS[suspect.kind])), element("span", { class: "counts" }, reported));
    const shown = element("figure", {});
    shown.append(...stageOf(suspect, shapes), caption);
    return shown;
  }));
  find("suspects").hidden = false;
}

// Controls

function sortTable(head) {
  const table = head.closest("table"), body = table.tBodies[0], column = head.cellIndex;
  const descending = head.getAttribute("aria-sort") !== "descending";
  const value = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent;
  const rows = [...body.rows].sort((a, b) => {
    const [x, y] = [value(a), value(b)];
    if (column === 0) return descending ? x.localeCompare(y) : y.localeCompare(x);
    if (x === "" || y === "") return (x === "") - (y === ""); // what is not defined comes last
    return descending ? y - x : x - y;
  });
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", descending ? "descending" : "ascending");
  body.append(...rows);
}

function filterTable() {
  const wanted = find("table-search").value.toLowerCase();
  for (const row of find("class-table").tBodies[0].rows) row.hidden = !row.cells[0].textContent.toLowerCase().includes(wanted);
}

function translate() {
  root.lang = state.language;
  find("language").textContent = state.language === "zh" ? "English" : "中文";
  for (const part of document.querySelectorAll("[data-text]")) {
    part.dataset.english ??= part.textContent;
    part.textContent = text(part.dataset.english);
  }
  for (const part of document.querySelectorAll("[data-label]")) {
    part.dataset.english ??= part.getAttribute("aria-label");
    part.setAttribute("aria-label", text(part.dataset.english));
  }
  for (const id of ["class-search", "table-search"]) find(id).placeholder = text("Find a class");
  drawHistory();
  drawFilter();
  drawCurves();
  drawConfidence();
  drawErrors();
  drawConfusion();
  drawCalibration();
  drawSuspects();
}

function toggle(id, name, draw) {
  find(id).addEventListener("click", () => {
    state[name] = !state[name];
    find(id).setAttribute("aria-pressed", state[name]);
    draw();
  });
}

function start() {
  root.dataset.theme = state.theme;
  find("theme").addEventListener("click", () => {
    state.theme = state.theme === "dark" ? "light" : "dark";
    root.dataset.theme = state.theme;
    store("theme", state.theme);
  });
  find("language").addEventListener("click", () => {
    state.language = state.language === "zh" ? "en" : "zh";
    store("language", state.language);
    translate();
  });
  find("confidence").addEventListener("input", (event) => {
    state.confidence = Number(event.target.value);
    drawConfidence();
  });
  find("class-search").addEventListener("input", drawFilter);
  find("table-search").addEventListener("input", filterTable);
  find("table-search").hidden = !data.classes.length;
  find("class-all").addEventListener("click", () => { state.shown = new Set(data.classes.keys()); drawFilter(); drawCurves(); drawImages(); });
  find("class-none").addEventListener("click", () => { state.shown.clear(); drawFilter(); drawCurves(); drawImages(); });
  document.addEventListener("click", (event) => {
    if (!event.composedPath().includes(find("class-filter"))) find("class-filter").open = false;
  });
  document.addEventListener("pointerdown", (event) => {
    if (!event.target.closest(".chart")) find("tip").hidden = true;
  });
  toggle("confusion-share", "share", drawConfusion);
  toggle("show-labels", "labels", drawImages);
  toggle("show-detections", "detections", drawImages);
  toggle("only-mistakes", "mistakes", drawImages);
  for (const button of document.querySelectorAll("thead button")) button.addEventListener("click", () => sortTable(button.parentNode));
  find("controls").hidden = !data.classes.length;
  translate();
}

start();
