// Requests to the server: the model's description, and detections on a photo.

export const LOWEST_SCORE = 0.05; // what is asked for, so that sliders need no further request
const TRIES = 6; // of a photo while the server is busy
const PAUSE = 1000; // milliseconds between tries, unless the server says how long

// What went wrong, in words for the person at the page.
export class Problem extends Error {
  constructor(text, status = 0, retryAfter = 0) {
    super(text);
    this.status = status;
    this.retryAfter = retryAfter;
  }

  get busy() {
    return this.status === 429 || this.status === 503;
  }
}

// {name, hash, runtime, classes, thresholds, width, height}
export const getModel = () => request("model", {});

// Detections on one photo: {model, name, width, height, detections}; `photo` is a Blob. A busy server is asked again,
// `tries` times in all.
export async function detect(photo, name, lowestScore, signal, tries = TRIES) {
  const body = new FormData();
  body.append("photos", photo, name);
  for (let attempt = 1; ; attempt++) {
    try {
      const reply = await request(`detect?lowest_score=${lowestScore}`, { method: "POST", body, signal });
      const result = reply.photos?.[0];
      if (!result) throw new Problem("The server's answer holds no photo.");
      if (result.problem) throw new Problem(result.problem);
      return { model: reply.model, ...result };
    } catch (problem) {
      if (!problem.busy || attempt === tries) throw problem;
      await pause(problem.retryAfter || PAUSE, signal);
    }
  }
}

// Resolves after some milliseconds; rejects as soon as `signal` aborts.
export function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const stop = () => (clearTimeout(timer), reject(signal.reason));
    const timer = setTimeout(() => (signal?.removeEventListener("abort", stop), resolve()), milliseconds);
    if (signal?.aborted) stop();
    signal?.addEventListener("abort", stop, { once: true });
  });
}

async function request(path, options) {
  let response, text;
  try {
    response = await fetch(path, options);
    text = await response.text();
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new Problem("The server does not answer. Look whether it is still running, then try again.");
  }
  const reply = parse(text);
  if (response.ok && reply) return reply;
  const unexplained = `The server answered with status ${response.status} and no reason.`;
  throw new Problem(typeof reply?.error === "string" ? reply.error : unexplained, response.status, 1000 * (parseFloat(response.headers.get("Retry-After")) || 0));
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
