// Photos before they are sent: shrunk if large, and as a picture that the page can show.

import { uprightMatrix, webpOrientation } from "./page_orientation.js";

export const LONGEST_SIDE = 1600; // pixels; networks see 512 at most, so what goes is finer than they can use
const QUALITY = 0.92; // of JPEGs that the page makes

// {send, show, width, height, sent}: the Blob to send, the Blob to show, the upright photo's size, and that of what is
// sent. JPEG and PNG go as they are unless they are large; other kinds are drawn anew, so that the server has the very
// picture that is shown. Where this browser cannot decode the photo, as most cannot HEIC, the file itself goes, and
// `show` and the sizes are null.
export async function prepare(file) {
  const kind = await kindOf(file);
  let bitmap, orientation;
  try {
    orientation = kind === "WebP" ? webpOrientation(await file.arrayBuffer()) : 1;
    bitmap = await createImageBitmap(file, { imageOrientation: kind === "WebP" ? "none" : "from-image" });
  } catch {
    return { send: file, show: null, width: null, height: null, sent: null };
  }
  try {
    const [width, height] = orientation >= 5 ? [bitmap.height, bitmap.width] : [bitmap.width, bitmap.height];
    const sent = shrunk(width, height, LONGEST_SIDE);
    const large = sent.width < width || sent.height < height;
    const type = large ? "image/jpeg" : "image/png";
    const send = large || kind !== "as is" ? await draw(bitmap, sent, type, orientation) : file;
    return { send, show: send, width, height, sent };
  } finally {
    bitmap.close();
  }
}

// By the first bytes, as the server does: a name may be wrong.
async function kindOf(file) {
  const head = String.fromCharCode(...new Uint8Array(await file.slice(0, 12).arrayBuffer()));
  if (head.startsWith("\xff\xd8\xff") || head.startsWith("\x89PNG")) return "as is";
  return head.startsWith("RIFF") && head.endsWith("WEBP") ? "WebP" : "other";
}

// The size with the same shape whose longer side has `longest` pixels at most.
export function shrunk(width, height, longest) {
  const factor = Math.min(1, longest / Math.max(width, height));
  return { width: Math.max(1, Math.round(width * factor)), height: Math.max(1, Math.round(height * factor)) };
}

// A picture (ImageBitmap or video) as a file of a size; what is transparent becomes white, as on the server.
export function draw(picture, { width, height }, type = "image/jpeg", orientation = 1) {
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const context = canvas.getContext("2d");
  context.fillStyle = "white";
  context.fillRect(0, 0, width, height);
  context.imageSmoothingQuality = "high";
  context.setTransform(...uprightMatrix(orientation, width, height));
  context.drawImage(picture, 0, 0, ...(orientation >= 5 ? [height, width] : [width, height]));
  const lacking = new Error("This browser has no memory left for the photo.");
  return new Promise((resolve, reject) => canvas.toBlob((blob) => (blob ? resolve(blob) : reject(lacking)), type, QUALITY));
}

// Photos of a drop, folders searched; {photos, others} with the number of other files in folders.
export async function dropped(transfer) {
  // Before the first await, after which a browser empties it.
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.());
  const plain = [...transfer.files];
  if (!entries.some((entry) => entry?.isDirectory)) return { photos: plain, others: 0 };
  const files = (await Promise.all(entries.filter(Boolean).map(filesOf))).flat();
  const isPhoto = ({ type, name }) => type.startsWith("image/") || /\.(heic|heif|tiff?)$/i.test(name);
  const photos = files.filter(isPhoto);
  return { photos, others: files.length - photos.length };
}

async function filesOf(entry) {
  if (entry.isFile) return [await new Promise((resolve, reject) => entry.file(resolve, reject))];
  const reader = entry.createReader();
  const files = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject)); // 100 at most at a time
    if (!some.length) return files;
    for (const child of some) files.push(...(await filesOf(child)));
  }
}
