"""JavaScript by which tests look at the server's page as a person sees it."""

DRAWN = """[...document.querySelectorAll('#photos li')].map(card => {
  const picture = card.querySelector('.photo').getBoundingClientRect();
  const [width, height] = card.querySelector('.size').textContent.match(/[0-9]+/g).map(Number);
  const x = left => (left - picture.left) / picture.width * width;
  const y = top => (top - picture.top) / picture.height * height;
  return [...card.querySelectorAll('.box')].filter(box => !box.hidden).map(box => box.getBoundingClientRect())
    .map(box => [x(box.left), y(box.top), x(box.right), y(box.bottom)]);
})"""
"""Corners of each box that is shown, in pixels of its photo, by where box and picture are on the screen."""

RED = """Promise.all([...document.querySelectorAll('#photos img')].map(async image => {
  await image.decode();
  const [width, height] = image.closest('li').querySelector('.size').textContent.match(/[0-9]+/g).map(Number);
  const canvas = Object.assign(document.createElement('canvas'), {width: 400, height: 400});
  const context = canvas.getContext('2d');
  context.drawImage(image, 0, 0, 400, 400);
  const pixels = context.getImageData(0, 0, 400, 400).data;
  let box = [1e9, 1e9, 0, 0];
  for (let y = 0; y < 400; y++) for (let x = 0; x < 400; x++) {
    const at = 4 * (400 * y + x);
    if (pixels[at] > 120 && pixels[at + 1] < 100)
      box = [Math.min(box[0], x), Math.min(box[1], y), Math.max(box[2], x + 1), Math.max(box[3], y + 1)];
  }
  return [box[0] * width / 400, box[1] * height / 400, box[2] * width / 400, box[3] * height / 400];
}))"""
"""Where the picture itself is red on the screen, in pixels of the photo: its own pixels, as the browser shows them."""

CONTRAST = """(() => {
  const numbers = colour => colour.match(/[0-9.]+/g).map(Number);
  const linear = value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const luminance = colour => {
    const [red, green, blue] = numbers(colour).map(value => linear(value / 255));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const ground = part => {
    for (; part; part = part.parentElement) {
      const colour = getComputedStyle(part).backgroundColor;
      if ((numbers(colour)[3] ?? 1) > 0) return colour;
    }
  };
  const text = part => [...part.childNodes].some(node => node.nodeType === 3 && node.textContent.trim());
  return [...document.querySelectorAll('body *')].filter(part => text(part) && part.checkVisibility() && !part.disabled)
    .map(part => {
      const colours = [getComputedStyle(part).color, ground(part)];
      const [dark, light] = colours.map(luminance).sort((a, b) => a - b);
      return [part.outerHTML.slice(0, 80), (light + 0.05) / (dark + 0.05)];
    });
})()"""
"""Texts that can be seen, without those of disabled controls, and their contrast; WCAG 2.2 AA asks for 4.5."""

CONTROLS = """(window.controls = [...document.querySelectorAll('button, input, summary, a, [tabindex]')]
  .filter(part => part.checkVisibility() && !part.disabled)).length"""
"""Numbers all controls that can be used, and gives how many there are."""

FOCUSED = """(part => [window.controls.indexOf(part), getComputedStyle(part.closest('.button') ?? part).outlineStyle])(
  document.activeElement)"""
"""The number of the control that has the focus, and the style of its outline."""

TRANSFER = """(() => {
  const bytes = Uint8Array.from(atob('%s'), letter => letter.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], 'some.png', {type: 'image/png'}));
  document.body.dispatchEvent(%s);
})()"""
"""A file, by its content in base64, that an event brings: `%` with the two."""
