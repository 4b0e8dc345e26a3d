// EXIF's orientation of WebP files, which the server follows and browsers do not; those of JPEG and PNG both follow.

const ORIENTATION = 0x0112; // tag of the field (EXIF 2.32, section 4.6.4)

// 1 to 8; 1 where a file has none or an invalid one. `bytes` is the whole file.
export function webpOrientation(bytes) {
  try {
    const view = new DataView(bytes);
    for (let at = 12; at + 8 <= view.byteLength; at += 8 + length(view, at) + (length(view, at) % 2)) {
      if (view.getUint32(at) === 0x45584946) return tiffOrientation(view, at + 8); // "EXIF"
    }
  } catch {
    // A damaged block must not cost the photo.
  }
  return 1;
}

const length = (view, at) => view.getUint32(at + 4, true);

function tiffOrientation(view, at) {
  const start = view.getUint32(at) === 0x45786966 ? at + 6 : at; // some write JPEG's "Exif\0\0" before it
  const little = view.getUint16(start) === 0x4949;
  const fields = start + view.getUint32(start + 4, little);
  for (let field = 0; field < view.getUint16(fields, little); field++) {
    const entry = fields + 2 + 12 * field;
    if (view.getUint16(entry, little) !== ORIENTATION) continue;
    const value = view.getUint16(entry + 8, little);
    return value >= 1 && value <= 8 ? value : 1;
  }
  return 1;
}

// The matrix for a canvas on which a picture stored with an orientation is drawn upright, `width` by `height`.
export function uprightMatrix(orientation, width, height) {
  const matrices = {
    2: [-1, 0, 0, 1, width, 0],
    3: [-1, 0, 0, -1, width, height],
    4: [1, 0, 0, -1, 0, height],
    5: [0, 1, 1, 0, 0, 0],
    6: [0, 1, -1, 0, width, 0],
    7: [0, -1, -1, 0, width, height],
    8: [0, -1, 1, 0, 0, height],
  };
  return matrices[orientation] ?? [1, 0, 0, 1, 0, 0];
}
