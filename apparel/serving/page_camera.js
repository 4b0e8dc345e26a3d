// The camera: its live picture with the boxes of one frame after the other.

import { detect, pause } from "./page_api.js";
import { drawBoxes, fit, inWords } from "./page_boxes.js";
import { draw, shrunk } from "./page_photo.js";

const LONGEST_SIDE = 640; // pixels of a frame that is sent; networks see 512 at most, and small frames come back sooner
const AFTER_PROBLEM = 1000; // milliseconds until the next frame, so that a server in trouble is not pressed

const REFUSALS = {
  NotAllowedError: "The browser was not allowed to use the camera. Allow it beside the page's address, then start again.",
  NotFoundError: "No camera was found on this device.",
  NotReadableError: "The camera cannot be read; another program may be using it.",
};

export class Camera {
  // `keep(file)` takes the photo that the person keeps.
  constructor(filter, keep) {
    this.section = document.getElementById("camera");
    this.video = this.section.querySelector("video");
    this.filter = filter;
    this.startButton = document.getElementById("camera-start");
    this.startButton.disabled = !(window.isSecureContext && navigator.mediaDevices?.getUserMedia);
    this.startButton.addEventListener("click", () => this.start());
    document.getElementById("camera-stop").addEventListener("click", () => this.stop());
    document.getElementById("camera-keep").addEventListener("click", async () => keep(await this.#photo()));
  }

  async start() {
    this.stop();
    this.section.hidden = false;
    this.startButton.disabled = true;
    this.#say("The camera is being started …");
    const run = (this.run = new AbortController()); // of this start, so that a later one does not meet its frames
    try {
      const video = { facingMode: { ideal: "environment" } }; // a phone's rear camera
      const stream = await navigator.mediaDevices.getUserMedia({ video, audio: false });
      if (run.signal.aborted) return stream.getTracks().forEach((track) => track.stop());
      stream.getVideoTracks()[0].addEventListener("ended", () => this.stop());
      this.video.srcObject = stream;
      await this.video.play();
    } catch (error) {
      this.startButton.disabled = false;
      return this.#say("", REFUSALS[error.name] ?? `The camera does not start: ${error.message}`);
    }
    document.getElementById("camera-stop").focus();
    await this.#detectFrames(run.signal);
  }

  stop() {
    const focused = this.section.contains(document.activeElement);
    this.run?.abort();
    this.video.srcObject?.getTracks().forEach((track) => track.stop());
    this.video.srcObject = null;
    this.section.hidden = true;
    this.startButton.disabled = false;
    this.section.querySelector(".boxes").replaceChildren();
    if (focused) this.startButton.focus();
  }

  // Shows and hides the boxes of the last frame as the filter says.
  update() {
    this.drawn?.();
  }

  // Sends a frame, waits for its boxes, then takes the next: never more than one request is under way.
  async #detectFrames(signal) {
    while (!signal.aborted) {
      const start = performance.now();
      try {
        await nextFrame(this.video);
        if (document.hidden) await pause(AFTER_PROBLEM, signal);
        else this.#show(await this.#detectFrame(signal), start);
      } catch (problem) {
        if (signal.aborted) return;
        this.#say("", problem.message);
        await pause(AFTER_PROBLEM, signal).catch(() => {});
      }
    }
  }

  #size() {
    return { width: this.video.videoWidth, height: this.video.videoHeight };
  }

  async #detectFrame(signal) {
    const { width, height } = this.#size();
    const frame = await draw(this.video, shrunk(width, height, LONGEST_SIDE));
    const reply = await detect(frame, "camera.jpg", this.filter.lowest, signal, 1);
    signal.throwIfAborted();
    return reply;
  }

  #show(reply, start) {
    fit(this.section.querySelector(".photo"), this.#size());
    this.drawn = drawBoxes(this.section.querySelector(".boxes"), reply.detections, reply, this.filter);
    const milliseconds = Math.round(performance.now() - start);
    const shown = reply.detections.filter((detection) => this.filter.shows(detection));
    this.#say(`${inWords(shown)} (${milliseconds} ms a frame)`);
  }

  #say(text, problem = "") {
    this.section.querySelector(".found").textContent = text;
    const part = this.section.querySelector(".problem");
    if (part.textContent !== problem) part.textContent = problem; // said once, not at every frame
  }

  async #photo() {
    const time = new Date().toISOString().slice(0, 19).replace("T", " ").replaceAll(":", "-");
    return new File([await draw(this.video, this.#size())], `camera ${time}.jpg`, { type: "image/jpeg" });
  }
}

// Resolves when the video has a new picture, or after a time where the browser does not tell.
function nextFrame(video) {
  if (!video.requestVideoFrameCallback) return pause(40);
  return Promise.race([new Promise((resolve) => video.requestVideoFrameCallback(resolve)), pause(1000)]);
}
