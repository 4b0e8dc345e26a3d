// The page of the server: photos come in, the server detects, and the page filters what it shows.

import { getModel, pause } from "./page_api.js";
import { counted } from "./page_boxes.js";
import { Camera } from "./page_camera.js";
import { Card } from "./page_card.js";
import { Filter } from "./page_filter.js";
import { LONGEST_SIDE, dropped } from "./page_photo.js";
import { copyTable, csv, download, drawTable, json } from "./page_results.js";

const AT_ONCE = 3; // photos under way: the server gathers what waits into batches, and large photos need memory here

const find = (id) => document.getElementById(id);
const cards = [];
const filter = new Filter(redraw);
const camera = new Camera(filter, (file) => addPhotos([file]));
const actions = { again: (card) => (card.wait(), work()), remove };
let model = null;
let working = 0;
let note = ""; // what the status says beside the counts
let asked = false; // whether a redraw is waiting for the next picture of the screen

function addPhotos(files, others = 0) {
  const added = [...files].map((file) => new Card(file, filter, actions));
  cards.push(...added);
  find("photos").append(...added.map((card) => card.element));
  note = others ? `${counted(others, "other file")} left out.` : "";
  if (!added.length && !others) note = "That holds no photo.";
  work();
}

// Starts as many waiting photos as may be under way at once.
function work() {
  for (const card of cards.filter((card) => card.state === "waiting").slice(0, AT_ONCE - working)) {
    working++;
    card.detect().finally(() => finished(card));
  }
  redrawSoon();
}

function finished(card) {
  working--;
  if (card.model && card.model.hash !== model?.hash) loadModel();
  work();
}

function remove(card) {
  const at = cards.indexOf(card);
  cards.splice(at, 1);
  card.remove();
  const neighbour = cards[Math.min(at, cards.length - 1)]; // where the keyboard goes on
  (neighbour?.element.querySelector(".remove") ?? find("files")).focus();
  redrawSoon();
}

function removeAll() {
  cards.splice(0).forEach((card) => card.remove());
  note = "";
  find("files").focus();
  redrawSoon();
}

// Once for all that happens between two pictures of the screen.
function redrawSoon() {
  if (!asked) requestAnimationFrame(() => ((asked = false), drawState()));
  asked = true;
}

function redraw() {
  cards.forEach((card) => card.update());
  camera.update();
  redrawSoon();
}

function drawState() {
  const done = cards.filter((card) => card.state === "done");
  const failed = cards.filter((card) => card.state === "failed").length;
  const ended = done.length + failed;
  const garments = done.reduce((sum, card) => sum + card.shown.length, 0);
  find("progress").max = cards.length || 1;
  find("progress").value = ended;
  find("progress").classList.toggle("idle", ended === cards.length);
  find("none").hidden = cards.length > 0;
  find("clear").disabled = !cards.length;
  for (const id of ["csv", "json", "copy"]) find(id).disabled = !ended;
  say(status(ended, failed, garments));
  if (find("table-part").open) drawTable(done, filter);
}

function status(ended, failed, garments) {
  if (!cards.length) return note;
  if (ended < cards.length) return `${ended} of ${counted(cards.length, "photo")} done. ${note}`;
  const problems = failed ? `; ${counted(failed, "photo")} with a problem` : "";
  return `${counted(cards.length, "photo")}, ${counted(garments, "garment")} shown${problems}. ${note}`;
}

function say(text) {
  if (find("status").textContent !== text) find("status").textContent = text;
}

async function loadModel() {
  try {
    const former = model;
    model = await getModel();
    if (former && former.hash !== model.hash) note = "The server has taken up another model meanwhile.";
    filter.setModel(model);
    const { name, hash, runtime, width, height } = model;
    find("model").textContent = `Model ${name} (${hash.slice(0, 8)}), ${runtime}, ${width} × ${height} pixels`;
  } catch (problem) {
    find("model").textContent = problem.message;
    if (problem.busy) pause(problem.retryAfter || 1000).then(loadModel);
  }
  redraw();
}

function listen() {
  for (const id of ["files", "shot-file"]) {
    find(id).addEventListener("change", () => {
      addPhotos(find(id).files);
      find(id).value = ""; // so that the same photo may be chosen again
    });
  }
  document.addEventListener("paste", (event) => {
    addPhotos(event.clipboardData.files);
  });
  document.addEventListener("dragover", (event) => (event.preventDefault(), document.body.classList.add("dragging")));
  document.addEventListener("dragleave", (event) => event.relatedTarget || document.body.classList.remove("dragging"));
  document.addEventListener("drop", async (event) => {
    event.preventDefault();
    document.body.classList.remove("dragging");
    const { photos, others } = await dropped(event.dataTransfer);
    addPhotos(photos, others);
  });
  find("clear").addEventListener("click", removeAll);
  find("table-part").addEventListener("toggle", redrawSoon);
  find("csv").addEventListener("click", () => download("detections.csv", "text/csv", csv(cards, filter)));
  find("json").addEventListener("click", () => download("detections.json", "application/json", json(cards, filter, model)));
  find("copy").addEventListener("click", async () => {
    const done = await copyTable(cards, filter);
    find("copied").textContent = done ? "Copied." : "The browser does not let this page copy; download the CSV file.";
  });
}

find("longest").textContent = LONGEST_SIDE.toLocaleString("en");
find("settings").open = matchMedia("(min-width: 900px)").matches; // a telephone shows photos first
listen();
loadModel();
