// ---- the grid: only the rows in view are in the document

const cells = new Map();  // position in `order` -> its element
let layout = {columns: 1, side: 1, row: 1, rows: 0, height: 0};
let active = 0;           // position that the keyboard is at

function measure() {
  const width = grid.clientWidth;
  const columns = Math.max(1, Math.floor((width + GAP) / ((width < 620 ? SMALL_CELL : CELL) + GAP)));
  const side = Math.floor((width - (columns - 1) * GAP) / columns), row = side + CAPTION + GAP;
  const rows = Math.ceil(order.length / columns), height = Math.min(rows * row, TALLEST);
  layout = {columns, side, row, rows, height};
  grid.style.height = `${height}px`;
}

// Where more rows exist than an element can be tall, a pixel of the scroll bar stands for several.
function view() {
  const top = Math.max(0, -grid.getBoundingClientRect().top), shown = innerHeight;
  const {row, rows, height} = layout, full = rows * row;
  const offset = full > height ? Math.min(1, top / Math.max(1, height - shown)) * (full - shown) - top : 0;
  return {first: Math.floor((top + offset) / row), last: Math.ceil((top + offset + shown) / row), offset};
}

function drawGrid() {
  const {columns, side, row, rows} = layout, {first, last, offset} = view();
  const start = Math.max(0, first - 2) * columns, end = Math.min(order.length, Math.min(rows, last + 2) * columns);
  for (const [position, cell] of cells) if (position < start || position >= end) { cell.remove(); cells.delete(position); }
  for (let position = start; position < end; position++) {
    const cell = cells.get(position) ?? makeCell(position);
    const x = (position % columns) * (side + GAP), y = Math.floor(position / columns) * row - offset;
    cell.style.transform = `translate(${x}px, ${y}px)`;
    cell.tabIndex = position === active ? 0 : -1;
  }
  if (!cells.has(active) && order.length) cells.get(Math.min(order.length - 1, Math.max(0, first) * columns))?.setAttribute("tabindex", 0);
}

function makeCell(position) {
  const which = photo(order[position]), boxes = shownBoxes(which), {chunk, index} = which;
  const cell = element(grid, "button", {type: "button", class: "cell"});
  cell.style.width = `${layout.side}px`;
  cell.style.height = `${layout.row - GAP}px`;
  cell.dataset.position = position;
  drawPhoto(element(cell, "span", {class: "photo"}), which, boxes, thumbnail(chunk, index), layout.side);
  const caption = element(cell, "span", {class: "caption", title: chunk.names[index]});
  element(caption, "bdi", {}, `${boxes.length} · ${chunk.names[index].split("/").at(-1)}`);
  cells.set(position, cell);
  return cell;
}

const thumbnail = (chunk, index) => `${run.thumbnails}/${chunk.hashes[index].slice(0, 2)}/${chunk.hashes[index].slice(2)}.jpg`;

function redraw() {
  for (const cell of cells.values()) cell.remove();
  cells.clear();
  measure();
  drawGrid();
}

function refresh() {
  filter();
  active = 0;
  redraw();
}

let refreshed = 0, waiting = 0;
function refreshSoon(now) {  // each refresh goes through all photos: not for each of hundreds of files
  clearTimeout(waiting);
  const wait = now ? 0 : Math.max(0, refreshed + 1000 - performance.now());
  waiting = setTimeout(() => { refreshed = performance.now(); const kept = active; filter(); active = kept; redraw(); }, wait);
}

function moveTo(position) {
  active = Math.max(0, Math.min(order.length - 1, position));
  const {row, rows, height, columns} = layout, full = rows * row, at = Math.floor(active / columns);
  const {first, last} = view();
  if (at <= first || at >= last - 1) {
    const target = Math.max(0, at * row - innerHeight / 3), scale = full > height ? (height - innerHeight) / (full - innerHeight) : 1;
    scrollTo({top: grid.getBoundingClientRect().top + scrollY + target * scale, behavior: "instant"});
  }
  drawGrid();
  cells.get(active)?.focus({preventScroll: true});
}

grid.addEventListener("keydown", event => {
  const page = layout.columns * Math.max(1, Math.floor(innerHeight / layout.row));
  const steps = {ArrowLeft: -1, ArrowRight: 1, ArrowUp: -layout.columns, ArrowDown: layout.columns, PageUp: -page, PageDown: page};
  const position = Number(event.target.closest(".cell")?.dataset.position ?? active);
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.key in steps) moveTo(position + steps[event.key]);
  else if (event.key === "Home" || event.key === "End") moveTo(event.key === "Home" ? 0 : order.length - 1);
  else return;
  event.preventDefault();
});
grid.addEventListener("click", event => {
  const cell = event.target.closest(".cell");
  if (cell) openViewer(Number(cell.dataset.position));
});

// ---- one photo, large

function openViewer(position) {
  active = position;
  showInViewer();
  if (!viewer.open) viewer.showModal();
}

function showInViewer() {
  const which = photo(order[active]), {chunk, index} = which, boxes = shownBoxes(which);
  byId("viewer-name").textContent = chunk.names[index];
  byId("viewer-place").textContent = `${(active + 1).toLocaleString("en")} of ${order.length.toLocaleString("en")}`;
  byId("viewer-size").textContent = `${chunk.sizes[2 * index]} × ${chunk.sizes[2 * index + 1]} pixels; corners in pixels of the upright photo`;
  const picture = byId("viewer-photo"), small = thumbnail(chunk, index), large = chunk.sources[index];
  picture.replaceChildren();
  const image = drawPhoto(picture, which, boxes, large || small, Math.min(innerWidth, 900));
  image.onerror = () => { image.onerror = null; image.src = small; };  // moved since, or of a kind that browsers cannot show
  byId("viewer-file").hidden = !large;
  if (large) byId("viewer-file").href = large;
  const rows = byId("viewer-rows");
  rows.replaceChildren();
  for (const box of boxes) {
    const [xmin, ymin, xmax, ymax] = chunk.corners.subarray(4 * box, 4 * box + 4), kind = run.classes[chunk.classes[box]];
    const row = element(rows, "tr", {}), name = element(row, "td", {});
    element(name, "span", {class: "swatch"}).style.background = kind.colour;
    element(name, "bdi", {}, kind.name);
    for (const value of [chunk.scores[box].toFixed(3), thresholds[chunk.classes[box]].toFixed(3)]) element(row, "td", {}, value);
    for (const value of [xmin, ymin, xmax - xmin, ymax - ymin]) element(row, "td", {}, value.toFixed(1));
  }
  if (!boxes.length) element(element(rows, "tr", {}), "td", {colspan: 7}, "no garment");
  byId("previous").disabled = active === 0;
  byId("next").disabled = active === order.length - 1;
}

function step(by) {
  if (active + by < 0 || active + by >= order.length) return;
  active += by;
  showInViewer();
}

byId("previous").onclick = () => step(-1);
byId("next").onclick = () => step(1);
byId("close").onclick = () => viewer.close();
viewer.addEventListener("close", () => moveTo(active));
viewer.addEventListener("click", event => { if (event.target === viewer) viewer.close(); });
addEventListener("keydown", event => {  // of the window: a button that is disabled while it has the focus passes no keys on
  if (!viewer.open) return;
  const by = {ArrowLeft: -1, ArrowRight: 1}[event.key];
  if (by) { step(by); event.preventDefault(); }
});

// ---- controls

run.classes.forEach((kind, index) => {
  const button = element(byId("classes"), "button", {type: "button", "aria-pressed": "false"});
  element(button, "span", {class: "swatch"}).style.background = kind.colour;
  element(button, "bdi", {}, `${kind.name} ${kind.detections.toLocaleString("en")}`);
  button.onclick = () => {
    chosen.delete(index) || chosen.add(index);
    button.setAttribute("aria-pressed", chosen.has(index));
    refresh();
  };
  const label = element(byId("thresholds"), "label", {});
  element(label, "bdi", {}, kind.name);
  const value = element(label, "output", {}, kind.threshold.toFixed(2));
  const slider = element(label, "input", {type: "range", min: 0, max: 1, step: 0.01, value: kind.threshold});
  slider.oninput = () => { thresholds[index] = Number(slider.value); value.textContent = thresholds[index].toFixed(2); refresh(); };
});
for (const id of ["lowest", "fewest", "most", "search", "sort"]) {
  byId(id).addEventListener("input", () => { byId("lowest-value").textContent = Number(byId("lowest").value).toFixed(2); refresh(); });
}
byId("boxes").onchange = event => document.body.classList.toggle("no-boxes", !event.target.checked);
byId("reset").onclick = () => {
  chosen.clear();
  for (const button of byId("classes").querySelectorAll("button")) button.setAttribute("aria-pressed", "false");
  for (const [id, value] of Object.entries({lowest: 0, fewest: "", most: "", search: "", sort: "order"})) byId(id).value = value;
  run.classes.forEach((kind, index) => {
    const label = byId("thresholds").children[index];
    thresholds[index] = label.querySelector("input").value = kind.threshold;
    thresholds[index] = kind.threshold;  // the slider rounds
    label.querySelector("output").textContent = kind.threshold.toFixed(2);
  });
  byId("lowest-value").textContent = "0.00";
  refresh();
};

byId("filters").open = innerWidth > 620;
byId("filters").addEventListener("toggle", () => drawGrid());
let drawn = 0;
const drawSoon = () => { drawn ||= requestAnimationFrame(() => { drawn = 0; drawGrid(); }); };
addEventListener("scroll", drawSoon, {passive: true});
addEventListener("resize", () => redraw());
refresh();
loadNext(0);
