"""Photo files in, upright RGB photos out. Nothing about a file is believed until it is decoded."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from apparel.errors import UserError, one_line

FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "GIF", "TIFF")
"""The only decoders that get to see a file; its content decides, not its extension."""

MAX_PIXELS = 89_478_485
"""A larger photo is refused as a decompression bomb: Pillow's own limit for its warning, 256 MB as RGB."""

MAX_BYTES = 4 * MAX_PIXELS
"""A larger file is refused unread: more than `MAX_PIXELS` take up uncompressed, with an alpha channel."""

MODES = ("1", "L", "P", "LA", "PA", "La", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "I;16", "I;16B", "I;16L")
"""The pixel layouts that hold a photo; 32-bit whole numbers, floats and CIELAB have no agreed way to 8-bit RGB."""

UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What turns the stored pixels upright, by EXIF orientation (Exif 2.32, tag 0x0112); 1 is upright already."""

ORIENTATION = 0x0112

# The size is checked here, with a message of our own; Pillow's warning would only be noise beside it.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
# EXIF that is damaged is passed over.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.TiffImagePlugin")


@dataclass(frozen=True)
class Header:
    """What a photo's header says; sizes in pixels.

    `width` and `height` are those of the stored pixels, the upright ones those that a viewer shows. `orientation` is
    EXIF's, 1 to 8. `mode` is Pillow's name for the layout of the stored pixels, such as `RGB` or `CMYK`.
    """

    format: str
    width: int
    height: int
    upright_width: int
    upright_height: int
    orientation: int
    mode: str


def read(path: Path) -> Image.Image:
    """The photo as a viewer shows it: upright, 8-bit RGB, transparent parts on white, the first frame of several.

    Colour profiles are not applied: neither does TensorFlow, which decodes the same files in training.

    Raises:
        UserError: the file is missing, not a photo in one of `FORMATS`, damaged, or larger than `MAX_PIXELS`.
    """
    return decode(read_bytes(path), path)


def read_bytes(path: Path) -> bytes:
    """The bytes of a photo's file.

    Raises:
        UserError: the file is missing, not a plain file, larger than `MAX_BYTES`, or cannot be read.
    """
    _check_file(path)
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None


def decode(data: bytes, path: Path) -> Image.Image:
    """`read` from the file's bytes; `path` is only named in errors."""
    with _hostile(path), Image.open(io.BytesIO(data), formats=FORMATS) as image:
        found = _describe(image)
        # Pillow turns TIFF upright by itself, but would also believe XMP, which viewers do not.
        image.info.pop("xmp", None)
        image.load()
        upright = _rgb(image)
        if found.format != "TIFF" and found.orientation in UPRIGHT:
            upright = upright.transpose(UPRIGHT[found.orientation])
        upright.info.clear()  # or the old orientation would be applied, or written, a second time
        return upright


def read_header(path: Path) -> Header:
    """What the photo's header says, without decoding its pixels: quick, and no promise that they are sound.

    Raises:
        UserError: the file is missing, not a photo in one of `FORMATS`, or larger than `MAX_PIXELS`.
    """
    _check_file(path)
    with _hostile(path), Image.open(path, formats=FORMATS) as image:
        return _describe(image)


def parse_header(data: bytes, path: Path) -> Header:
    """`header` from the file's bytes; `path` is only named in errors."""
    with _hostile(path), Image.open(io.BytesIO(data), formats=FORMATS) as image:
        return _describe(image)


def _check_file(path: Path) -> None:
    try:
        if not path.exists():
            raise UserError(f"{path} is missing; import the photos again, or remove its annotation")
        if not path.is_file():
            raise UserError(f"{path} is not a file; remove it")
        size = path.stat().st_size
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read: {error}") from None
    if size > MAX_BYTES:
        raise UserError(f"{path} has {size:,} bytes, more than the {MAX_BYTES:,} that a photo may have; shrink it")


@contextmanager
def _hostile(path: Path) -> Iterator[None]:
    """Names the file in whatever a decoder raises; with damaged files that is nearly any exception."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    except Image.UnidentifiedImageError:
        raise UserError(
            f"{path} is not a {', '.join(FORMATS)} photo, whatever its name; remove or convert it"
        ) from None
    except Exception as error:  # noqa: BLE001 - codecs raise nearly anything on damaged files
        reason = one_line(error)
        remedy = "replace it, or remove it and its annotation, in lists/ too"
        raise UserError(f"{path} is damaged ({reason}); {remedy}") from None


def _describe(image: Image.Image) -> Header:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise UserError(f"{width} x {height} pixels are more than the {MAX_PIXELS:,} that a photo may have; shrink it")
    if image.mode not in MODES:
        raise UserError(f"pixels of mode {image.mode} are not those of a photo; convert it to 8-bit RGB")
    orientation = _orientation(image)
    upright = (height, width) if orientation >= 5 else (width, height)
    if image.format == "TIFF":  # Pillow has swapped the sides already
        (width, height), upright = upright, (width, height)
    # MPO is a JPEG with further frames behind the first, as phones and stereo cameras write it.
    name = "JPEG" if image.format == "MPO" else image.format
    return Header(name, width, height, *upright, orientation, image.mode)


def _orientation(image: Image.Image) -> int:
    """EXIF's orientation, 1 to 8; 1 where there is none or it makes no sense, as viewers have it.

    `Image.getexif` is not asked: it decodes a whole PNG to look behind the pixels, and believes XMP.
    """
    try:
        if image.format == "TIFF":
            value = image.tag_v2.get(ORIENTATION)
        else:
            exif = Image.Exif()
            exif.load(image.info.get("exif", b""))
            value = exif.get(ORIENTATION)
        return int(value) if value in range(1, 9) else 1
    except Exception:  # noqa: BLE001 - a damaged EXIF block must not cost the photo
        return 1


def _rgb(image: Image.Image) -> Image.Image:
    """The pixels as 8-bit RGB: alpha on white, CMYK by (1 - ink)(1 - black), 16 bits by their higher byte."""
    if image.mode.startswith("I;16"):
        import numpy as np

        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA")).convert("RGB")
    return image.convert("RGB")
