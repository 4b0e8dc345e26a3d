"use strict";
// Text of photos and classes enters the document by textContent and setAttribute alone: it may hold anything.
const byId = id => document.getElementById(id);
const grid = byId("grid"), viewer = byId("viewer");
const GAP = 10, CAPTION = 26;        // pixels between cells; height of the line below a photo
const CELL = 220, SMALL_CELL = 150;  // pixels, width of a cell at least, on wide windows and on phones
const TALLEST = 8e6;                 // pixels; browsers cut elements that are taller than some 16 million
const chunks = [];                   // what the files beside the page hold, each of up to `run.chunk` photos
let photos = 0;                      // number of photos that are loaded

// ---- data

function addChunk(data) {  // the files call this
  const starts = new Uint32Array(data.counts.length + 1);
  data.counts.forEach((count, index) => { starts[index + 1] = starts[index] + count; });
  chunks.push({
    ...data, starts, classes: Uint16Array.from(data.classes), scores: Float64Array.from(data.scores),
    corners: Float32Array.from(data.corners), shown: new Uint16Array(data.counts.length), best: new Float32Array(data.counts.length),
  });
  photos += data.counts.length;
}

function loadChunk(number) {
  const script = document.createElement("script");
  script.src = run.files[number];
  script.onload = () => { script.remove(); refreshSoon(number === 0 || number + 1 === run.files.length); loadNext(number + 1); };
  script.onerror = () => {
    byId("missing").hidden = false;
    byId("missing").textContent += ` ${run.files[number]} is missing: copy the whole folder of this page.`;
    loadNext(number + 1);
  };
  document.head.append(script);
}

function loadNext(number) {
  if (number < run.files.length) setTimeout(loadChunk, 0, number);  // lets the page answer in between
}

function photo(number) {
  let first = 0;
  for (const chunk of chunks) {
    if (number < first + chunk.names.length) return {chunk, index: number - first};
    first += chunk.names.length;
  }
}

// ---- filter and sort

const thresholds = run.classes.map(each => each.threshold);
const chosen = new Set();  // indices of classes; empty: all
let order = new Uint32Array(0);
let nameRanks = null;

const isShown = (chunk, box, lowest) =>
  (!chosen.size || chosen.has(chunk.classes[box])) && chunk.scores[box] >= thresholds[chunk.classes[box]] && chunk.scores[box] >= lowest;

function shownBoxes({chunk, index}) {
  const lowest = Number(byId("lowest").value), boxes = [];
  for (let box = chunk.starts[index]; box < chunk.starts[index + 1]; box++) if (isShown(chunk, box, lowest)) boxes.push(box);
  return boxes;
}

function filter() {
  const lowest = Number(byId("lowest").value), words = byId("search").value.toLowerCase();
  const most = byId("most").value === "" ? Infinity : Number(byId("most").value);
  // Who chooses a class looks for photos that have it, unless the number of garments says otherwise.
  const fewest = byId("fewest").value === "" ? Number(chosen.size > 0 && most > 0) : Number(byId("fewest").value);
  const kept = new Uint32Array(photos);
  let first = 0, count = 0, garments = 0;
  for (const chunk of chunks) {
    for (let index = 0; index < chunk.names.length; index++) {
      let shown = 0, best = 0;
      for (let box = chunk.starts[index]; box < chunk.starts[index + 1]; box++) {
        if (isShown(chunk, box, lowest)) { shown++; best = Math.max(best, chunk.scores[box]); }
      }
      chunk.shown[index] = shown;
      chunk.best[index] = best;
      if (shown < fewest || shown > most || (words && !chunk.names[index].toLowerCase().includes(words))) continue;
      kept[count++] = first + index;
      garments += shown;
    }
    first += chunk.names.length;
  }
  order = kept.subarray(0, count);
  sortOrder();
  const loading = chunks.length < run.files.length && byId("missing").hidden ? `, ${run.photos.toLocaleString("en")} are loading` : "";
  byId("shown").textContent = `${count.toLocaleString("en")} of ${photos.toLocaleString("en")} photos${loading}, ${garments.toLocaleString("en")} garments`;
}

function sortOrder() {
  const by = byId("sort").value;
  if (by === "order") return;
  if (by === "name") {
    const ranks = rankNames();
    order.sort((a, b) => ranks[a] - ranks[b]);
    return;
  }
  const keys = new Float32Array(photos);
  let first = 0;
  for (const chunk of chunks) {
    keys.set(by === "most" || by === "fewest" ? chunk.shown : chunk.best, first);
    first += chunk.names.length;
  }
  const sign = by === "fewest" || by === "unsure" ? 1 : -1;
  // Photos without garments have no score: they come last.
  const key = number => by === "unsure" && keys[number] === 0 ? 2 : keys[number];
  order.sort((a, b) => sign * (key(a) - key(b)) || a - b);
}

function rankNames() {
  if (nameRanks?.length === photos) return nameRanks;
  const names = chunks.flatMap(chunk => chunk.names), compare = new Intl.Collator("en", {numeric: true}).compare;
  nameRanks = new Uint32Array(photos);
  Uint32Array.from(names.keys()).sort((a, b) => compare(names[a], names[b]) || a - b).forEach((number, rank) => { nameRanks[number] = rank; });
  return nameRanks;
}

// ---- a photo with its boxes

function element(parent, name, attributes, text) {
  const space = parent instanceof SVGElement || name === "svg" ? "http://www.w3.org/2000/svg" : "http://www.w3.org/1999/xhtml";
  const child = document.createElementNS(space, name);
  for (const [key, value] of Object.entries(attributes)) child.setAttribute(key, value);
  if (text !== undefined) child.textContent = text;
  parent.append(child);
  return child;
}

const boxText = (chunk, box) => `${run.classes[chunk.classes[box]].name} ${chunk.scores[box].toFixed(2)}`;
const describe = ({chunk, index}, boxes) => `${chunk.names[index]}: ${boxes.map(box => boxText(chunk, box)).join(", ") || "no garment"}`;

function drawPhoto(parent, {chunk, index}, boxes, source, side) {
  const [width, height] = [chunk.sizes[2 * index], chunk.sizes[2 * index + 1]];
  const image = element(parent, "img", {src: source, alt: describe({chunk, index}, boxes), decoding: "sync"});
  const svg = element(parent, "svg", {viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true"});
  const size = 12 * Math.max(width, height) / side;  // 12 pixels on the screen
  for (const box of boxes.slice().reverse()) {  // the highest score on top
    const [xmin, ymin, xmax, ymax] = chunk.corners.subarray(4 * box, 4 * box + 4);
    const corners = {x: xmin, y: ymin, width: Math.max(0, xmax - xmin), height: Math.max(0, ymax - ymin)};
    element(svg, "rect", {...corners, class: "rim"});
    element(svg, "rect", {...corners, stroke: run.classes[chunk.classes[box]].colour});
    // On the right half, labels end where their box ends: else they would leave the photo.
    const right = xmin > width / 2, x = right ? Math.min(width, xmax) - size / 3 : Math.max(0, xmin) + size / 3;
    const place = {x, y: Math.max(0, ymin) + 1.15 * size, "text-anchor": right ? "end" : "start"};
    element(svg, "text", {...place, "font-size": size, "stroke-width": size / 4}, boxText(chunk, box));
  }
  return image;
}
