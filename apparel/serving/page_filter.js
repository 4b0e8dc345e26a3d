// Which detections are shown: ticked classes, and a threshold for each.

import { LOWEST_SCORE } from "./page_api.js";

// Distinct for colour-blind people too, the same as in the project's pictures (apparel/evaluation/drawing.py).
const COLOURS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442"];
const find = (id) => document.getElementById(id);

export class Filter {
  // `changed` is called after each change by the person at the page.
  constructor(changed) {
    this.classes = new Map(); // name -> {ticked, threshold, modelThreshold, colour, row}
    this.lowest = LOWEST_SCORE;
    this.changed = changed;
    find("every").addEventListener("input", () => this.#setAll(Number(find("every").value)));
    find("reset").addEventListener("click", () => this.#reset());
    find("all-classes").addEventListener("click", () => this.#tick(true));
    find("no-class").addEventListener("click", () => this.#tick(false));
  }

  // Takes the classes and thresholds of a model; what the person chose for a class of the same name stays.
  setModel({ classes, thresholds }) {
    const before = this.classes;
    this.classes = new Map();
    find("classes").replaceChildren();
    this.lowest = Math.min(LOWEST_SCORE, ...Object.values(thresholds));
    find("every").min = this.lowest;
    for (const name of classes) {
      this.#add(name, thresholds[name] ?? 0.5);
      const old = before.get(name);
      if (!old) continue;
      this.classes.get(name).ticked = old.ticked;
      if (old.threshold !== old.modelThreshold) this.classes.get(name).threshold = old.threshold;
    }
    this.#draw();
  }

  // The state of a class, which is added if the model at the start did not have it.
  of(detection) {
    if (!this.classes.has(detection.class)) {
      this.#add(detection.class, detection.threshold ?? 0.5);
      this.#draw();
    }
    return this.classes.get(detection.class);
  }

  shows(detection) {
    const { ticked, threshold } = this.of(detection);
    return ticked && detection.score >= threshold;
  }

  #add(name, threshold) {
    const row = find("class-row").content.cloneNode(true).firstElementChild;
    const [box, slider] = row.querySelectorAll("input");
    const colour = COLOURS[this.classes.size % COLOURS.length];
    const state = { ticked: true, threshold, modelThreshold: threshold, colour, row };
    row.querySelector(".name").textContent = name;
    row.querySelector(".swatch").style.background = colour;
    slider.min = this.lowest;
    slider.setAttribute("aria-label", `Threshold of ${name}`);
    box.addEventListener("change", () => this.#change(() => (state.ticked = box.checked)));
    slider.addEventListener("input", () => this.#change(() => (state.threshold = Number(slider.value))));
    this.classes.set(name, state);
    find("classes").append(row);
  }

  #change(change) {
    change();
    this.#draw();
    this.changed();
  }

  #setAll(threshold) {
    this.#change(() => this.classes.forEach((state) => (state.threshold = threshold)));
  }

  #reset() {
    this.#change(() => this.classes.forEach((state) => (state.threshold = state.modelThreshold)));
  }

  #tick(ticked) {
    this.#change(() => this.classes.forEach((state) => (state.ticked = ticked)));
  }

  #draw() {
    for (const { ticked, threshold, modelThreshold, row } of this.classes.values()) {
      const [box, slider] = row.querySelectorAll("input");
      const text = threshold.toFixed(2) + (threshold === modelThreshold ? " (model)" : "");
      box.checked = ticked;
      slider.value = threshold;
      slider.setAttribute("aria-valuetext", text);
      row.querySelector("output").textContent = text;
    }
    const values = new Set([...this.classes.values()].map((state) => state.threshold));
    const [one] = values;
    const text = values.size === 1 ? one.toFixed(2) : "each its own";
    if (values.size) find("every").value = values.size === 1 ? one : median([...values]);
    find("every").setAttribute("aria-valuetext", text);
    find("every-value").textContent = text;
  }
}

const median = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];
