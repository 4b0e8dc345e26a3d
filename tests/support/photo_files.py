"""Photos for tests: a coloured garment on white, in every kind of file that a shop may hold."""

import struct
from collections.abc import Callable
from pathlib import Path

from PIL import Image, ImageDraw

SIZE = (120, 80)
BOX = (10, 20, 50, 64)
RED = (200, 30, 40)
WHITE = (255, 255, 255)
GREY_OF_RED = 82  # ITU-R 601-2 luma, which Pillow uses

# What a camera held otherwise would have stored, by EXIF orientation.
AS_STORED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def garment(mode: str = "RGB") -> Image.Image:
    """The photo as a viewer shows it, before it is stored in some way."""
    photo = Image.new("RGB", SIZE, WHITE)
    ImageDraw.Draw(photo).rectangle((BOX[0], BOX[1], BOX[2] - 1, BOX[3] - 1), fill=RED)
    return photo if mode == "RGB" else photo.convert(mode)


def save_turned(path: Path, orientation: int, **options: object) -> None:
    """The garment as stored by a camera that notes `orientation` in EXIF; any number may be written."""
    photo = garment()
    if orientation in AS_STORED:
        photo = photo.transpose(AS_STORED[orientation])
    exif = Image.Exif()
    exif[0x0112] = orientation
    photo.save(path, exif=exif, **options)


def orientation_block(kind: int, count: int, value: bytes) -> bytes:
    """An EXIF block with an orientation of any field type and count (TIFF 6.0, section 2), right or wrong."""
    field = struct.pack("<HHI", 0x0112, kind, count) + value.ljust(4, b"\0")
    return b"Exif\x00\x00II*\x00" + struct.pack("<IH", 8, 1) + field + bytes(4)


def save_see_through(path: Path) -> None:
    """The garment on a transparent ground whose hidden colour is black."""
    red = Image.new("RGBA", SIZE, (*RED, 255))
    ground = Image.new("RGBA", SIZE, (0, 0, 0, 0))
    mask = Image.new("L", SIZE, 0)
    ImageDraw.Draw(mask).rectangle((BOX[0], BOX[1], BOX[2] - 1, BOX[3] - 1), fill=255)
    Image.composite(red, ground, mask).save(path)


def save_16_bit(path: Path) -> None:
    """The garment in 16 bits of grey."""
    grey = garment("L")
    Image.frombytes("I;16", SIZE, b"".join(bytes((value, value)) for value in grey.tobytes())).save(path)


def save_frames(path: Path) -> None:
    """The garment, then two frames of black."""
    black = Image.new("RGB", SIZE, "black")
    garment().quantize(8).save(path, save_all=True, append_images=[black, black], duration=100)


# File name -> how it is saved; all show the garment, in red or in the grey of that red.
IN_COLOUR: dict[str, Callable[[Path], None]] = {
    "plain.jpg": lambda path: garment().save(path, quality=95),
    "progressive.jpg": lambda path: garment().save(path, quality=95, progressive=True),
    "cmyk.jpg": lambda path: garment("CMYK").save(path, quality=95),
    "ycbcr.jpg": lambda path: garment("YCbCr").save(path, quality=95),
    "plain.png": lambda path: garment().save(path),
    "palette.png": lambda path: garment().quantize(8).save(path),
    "alpha.png": lambda path: garment("RGBA").save(path),
    "see-through.png": save_see_through,
    "see-through.webp": save_see_through,
    "plain.bmp": lambda path: garment().save(path),
    "plain.webp": lambda path: garment().save(path, lossless=True),
    "plain.tif": lambda path: garment().save(path),
    "cmyk.tif": lambda path: garment("CMYK").save(path, compression="tiff_lzw"),
    "moving.gif": save_frames,
    "two-in-one.jpg": lambda path: garment().save(
        path, "MPO", quality=95, save_all=True, append_images=[Image.new("RGB", SIZE)]
    ),
    "png-inside.jpg": lambda path: garment().save(path, "PNG"),
    "name with 'quotes', ünïcödé and spaces.jpeg": lambda path: garment().save(path, quality=95),
} | {
    f"turned-{orientation}{suffix}": lambda path, orientation=orientation: save_turned(path, orientation, quality=95)
    for orientation in range(1, 9)
    for suffix in (".jpg", ".png", ".tif", ".webp")
}

IN_GREY: dict[str, Callable[[Path], None]] = {
    "grey.jpg": lambda path: garment("L").save(path, quality=95),
    "grey-alpha.png": lambda path: garment("LA").save(path),
    "16-bit.png": save_16_bit,
    "16-bit.tif": save_16_bit,
}
