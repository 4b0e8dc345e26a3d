// Boxes over a picture, and detections in words.

// Draws detections over the picture in `layer`, whose picture has `size`; the best scores on top. Returns the function
// that shows and hides them as the filter says.
export function drawBoxes(layer, detections, size, filter) {
  const worstFirst = [...detections].sort((a, b) => a.score - b.score);
  const drawn = worstFirst.map((detection) => [detection, boxOf(detection, size, filter)]);
  layer.replaceChildren(...drawn.map(([, element]) => element));
  const update = () => drawn.forEach(([detection, element]) => (element.hidden = !filter.shows(detection)));
  update();
  return update;
}

function boxOf(detection, { width, height }, filter) {
  const { xmin, ymin, xmax, ymax } = detection.box;
  const { colour } = filter.of(detection);
  const element = document.createElement("div");
  const label = document.createElement("span");
  element.className = "box";
  element.append(label);
  label.textContent = `${detection.class} ${detection.score.toFixed(2)}`;
  Object.assign(element.style, {
    left: `${(100 * xmin) / width}%`,
    top: `${(100 * ymin) / height}%`,
    width: `${(100 * (xmax - xmin)) / width}%`,
    height: `${(100 * (ymax - ymin)) / height}%`,
    borderColor: colour,
  });
  Object.assign(label.style, { background: colour, color: textColour(colour) });
  label.classList.toggle("inside", ymin < 0.12 * height); // no room above
  label.classList.toggle("right", xmin > 0.6 * width);
  return element;
}

// Black or white, whichever has more contrast on a colour (relative luminance of WCAG 2.2).
export function textColour(colour) {
  const [red, green, blue] = [1, 3, 5].map((at) => {
    const value = parseInt(colour.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179 ? "#000" : "#fff";
}

// As wide as its frame and as high as it at most, in the picture's own shape, before the picture itself is there.
export function fit(element, { width, height }) {
  element.style.aspectRatio = `${width} / ${height}`;
  element.style.width = `min(100%, calc(var(--frame) * ${width / height}))`;
}

// "2 garments: Dresses 0.93, Shoes 0.61"
export function inWords(detections) {
  const named = detections.map((detection) => `${detection.class} ${detection.score.toFixed(2)}`);
  return named.length ? `${counted(named.length, "garment")}: ${named.join(", ")}` : "No garment is shown";
}

export const counted = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;
