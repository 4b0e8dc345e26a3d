// A photo in the list: its picture with boxes, what was found in words, or why there is nothing.

import { detect } from "./page_api.js";
import { drawBoxes, fit, inWords } from "./page_boxes.js";
import { prepare } from "./page_photo.js";

export class Card {
  // `actions` has `again(card)` and `remove(card)`, for the buttons of those names.
  constructor(file, filter, actions) {
    Object.assign(this, { file, filter, name: file.name || "pasted picture", state: "waiting", model: null });
    Object.assign(this, { detections: [], size: null, problem: null, stop: new AbortController() });
    this.element = document.getElementById("card").content.cloneNode(true).firstElementChild;
    this.#part(".name").textContent = this.#part(".name").title = this.name;
    this.#part(".remove").setAttribute("aria-label", `Remove ${this.name}`);
    this.#part(".again").setAttribute("aria-label", `Try ${this.name} again`);
    this.#part(".remove").addEventListener("click", () => actions.remove(this));
    this.#part(".again").addEventListener("click", () => actions.again(this));
    this.wait();
  }

  wait() {
    this.state = "waiting";
    this.problem = null;
    this.#words("Waiting …");
  }

  // Asks the server for the detections on the photo; what goes wrong is shown in its place.
  async detect() {
    this.state = "under way";
    this.#words("Being looked at …");
    try {
      const photo = await prepare(this.file);
      this.#showPicture(photo);
      const reply = await detect(photo.send, this.name, this.filter.lowest, this.stop.signal);
      if (!this.stop.signal.aborted) this.#showReply(photo, reply);
    } catch (problem) {
      if (!this.stop.signal.aborted) this.#showProblem(problem);
    }
  }

  // Shows and hides boxes as the filter says.
  update() {
    if (this.state !== "done") return;
    this.drawn();
    this.#words(inWords(this.shown));
  }

  get shown() {
    return this.detections.filter((detection) => this.filter.shows(detection));
  }

  remove() {
    this.stop.abort();
    this.element.remove();
    URL.revokeObjectURL(this.#part("img").src);
  }

  #part(selector) {
    return this.element.querySelector(selector);
  }

  #words(text) {
    this.#part(".found").textContent = this.#part(".found").title = text;
    this.#part("img").alt = `${this.name}: ${text}`;
    this.#part(".problem").textContent = this.problem ?? "";
    this.#part(".again").hidden = this.state !== "failed";
    this.element.dataset.state = this.state;
  }

  #showPicture({ show, width, height, sent }) {
    if (!show || this.size) return;
    this.size = { width, height };
    const shrunk = sent.width < width ? `, sent as ${sent.width} × ${sent.height}` : "";
    this.#part(".size").textContent = `${width} × ${height} pixels${shrunk}`;
    fit(this.#part(".photo"), this.size);
    this.#part("img").src = URL.createObjectURL(show);
    this.#part("img").hidden = false;
  }

  #showReply({ show, sent }, { model, width, height, detections }) {
    if (!show) {
      this.size = { width, height };
      this.#part(".size").textContent = `${width} × ${height} pixels; this browser cannot show such a file`;
      fit(this.#part(".photo"), this.size);
    } else if (width !== sent.width || height !== sent.height) {
      const sizes = `${width} × ${height} pixels for the server, ${sent.width} × ${sent.height} for this browser`;
      throw new Error(`The photo is turned in a way that not all programs follow: ${sizes}. Save it anew.`);
    }
    this.model = model;
    const [byWidth, byHeight] = [this.size.width / width, this.size.height / height];
    this.detections = detections.map((detection) => scaled(detection, byWidth, byHeight));
    this.drawn = drawBoxes(this.#part(".boxes"), this.detections, this.size, this.filter);
    this.state = "done";
    this.update();
  }

  #showProblem(problem) {
    this.state = "failed";
    const reason = problem.message.replace(/^no photo of the request can be read: /, "cannot be read: ");
    this.problem = reason.replaceAll(`${this.name}: `, ""); // the name is below
    this.#words("Not looked at");
  }
}

function scaled(detection, byWidth, byHeight) {
  const { xmin, ymin, xmax, ymax } = detection.box;
  const box = { xmin: xmin * byWidth, ymin: ymin * byHeight, xmax: xmax * byWidth, ymax: ymax * byHeight };
  return { ...detection, box };
}
