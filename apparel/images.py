"""Image files: decoded to upright 8-bit RGB, with limits. Nothing in a file is trusted until it is decoded."""

import io
import stat
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from PIL import Image

from apparel.errors import UserError, one_line

FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "GIF", "TIFF")
"""Formats that are decoded; the content of a file decides, not its extension."""

PHONE_FORMATS = (*FORMATS, "HEIF", "AVIF")
"""Formats of photos to detect on: phones write HEIC. Data sets for training have none: TensorFlow cannot decode it."""

MAX_PIXELS = 89_478_485
"""A larger photo is refused as a decompression bomb: Pillow's own limit for its warning, 256 MB as RGB."""

MAX_BYTES = 4 * MAX_PIXELS
"""Bytes; a larger file is refused unread: `MAX_PIXELS` take no more uncompressed, with an alpha channel."""

MODES = ("1", "L", "P", "LA", "PA", "La", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "I;16", "I;16B", "I;16L")
"""Pillow's modes that are accepted; for 32-bit integers, floats and CIELAB there is no standard way to 8-bit RGB."""

UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""Transpositions that turn stored pixels upright, by EXIF orientation (Exif 2.32, tag 0x0112); 1 is upright already."""

ORIENTATION = 0x0112

HEIF_HEADER_BYTES = 1 << 16
"""Bytes at the start of a HEIC file that hold its boxes of metadata; a phone's have 4 kB."""

# This module checks the size, with its own message; Pillow's warning would repeat it.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
# Damaged EXIF is ignored.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.TiffImagePlugin")


@dataclass(frozen=True, slots=True)
class Header:
    """The header of an image file; sizes in pixels.

    `width` and `height` are of the stored pixels, `upright_width` and `upright_height` of the image that a viewer
    shows. `orientation` is EXIF's, 1 to 8. `mode` is Pillow's name for the stored pixels, such as `RGB` or `CMYK`.
    """

    format: str
    width: int
    height: int
    upright_width: int
    upright_height: int
    orientation: int
    mode: str


def read(path: Path) -> Image.Image:
    """The image as a viewer shows it: upright, 8-bit RGB, transparent parts on white, the first frame of several.

    Colour profiles are not applied: neither does TensorFlow, which decodes the same files in training.

    Raises:
        UserError: the file is missing, not a photo in one of `FORMATS`, damaged, or larger than `MAX_PIXELS`.
    """
    return decode(read_bytes(path), path)


def read_bytes(path: Path) -> bytes:
    """The bytes of an image file.

    Raises:
        UserError: the file is missing, not a plain file, larger than `MAX_BYTES`, or cannot be read.
    """
    _check_file(path)
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None


def decode(data: bytes, path: Path, formats: Sequence[str] = FORMATS) -> Image.Image:
    """The image, as `read` gives it, from the file's bytes; errors name `path`.

    Args:
        data: content of the file.
        path: its name.
        formats: Pillow's names of those that are accepted: `FORMATS` or `PHONE_FORMATS`.
    """
    if "HEIF" in formats:
        _register_heif()
    with _decoder_errors(path, formats), Image.open(io.BytesIO(data), formats=formats) as image:
        header = _header(image)
        # Pillow turns TIFF upright by itself, but would also trust XMP, which viewers do not.
        image.info.pop("xmp", None)
        image.load()
        upright = _rgb(image)
        orientation = _heif_orientation(image, data) if header.format == "HEIF" else header.orientation
        if header.format != "TIFF" and orientation in UPRIGHT:
            upright = upright.transpose(UPRIGHT[orientation])
        upright.info.clear()  # or the old orientation would be applied, or written, a second time
        return upright


def read_header(path: Path) -> Header:
    """The header of an image file. The pixels are not decoded, so they may be damaged.

    Raises:
        UserError: the file is missing, not a photo in one of `FORMATS`, or larger than `MAX_PIXELS`.
    """
    _check_file(path)
    with _decoder_errors(path), Image.open(path, formats=FORMATS) as image:
        return _header(image)


def parse_header(data: bytes, path: Path, formats: Sequence[str] = FORMATS) -> Header:
    """The header, as `read_header` gives it, from the file's bytes; errors name `path`. `formats` is as in `decode`.

    The orientation of a HEIC photo is not read: see `decode`.
    """
    if "HEIF" in formats:
        _register_heif()
    with _decoder_errors(path, formats), Image.open(io.BytesIO(data), formats=formats) as image:
        return _header(image)


def _check_file(path: Path) -> None:
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"{path} is missing; import the photos again, or remove its annotation") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read: {error}") from None
    if not stat.S_ISREG(status.st_mode):
        raise UserError(f"{path} is not a file; remove it")
    if status.st_size > MAX_BYTES:
        size = f"{status.st_size:,} bytes, more than the {MAX_BYTES:,} that a photo may have"
        raise UserError(f"{path} has {size}; shrink it")


@contextmanager
def _decoder_errors(path: Path, formats: Sequence[str] = FORMATS) -> Iterator[None]:
    """Raises what a decoder raises, on damaged files nearly any exception, as a `UserError` that names the file."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    except Image.UnidentifiedImageError:
        raise UserError(
            f"{path} is not a {', '.join(formats)} photo, whatever its name; remove or convert it"
        ) from None
    except Exception as error:  # noqa: BLE001 - codecs raise nearly anything on damaged files
        reason = one_line(error)
        remedy = "replace it, or remove it and its annotation, in lists/ too"
        raise UserError(f"{path} is damaged ({reason}); {remedy}") from None


@cache
def _register_heif() -> None:
    """Lets Pillow open HEIC."""
    from pillow_heif import register_heif_opener

    register_heif_opener(thumbnails=False)


def _heif_orientation(image: Image.Image, data: bytes) -> int:
    """EXIF's orientation of a HEIC photo that its decoder did not turn: those with a transformation of HEIF's own,
    irot or imir (ISO/IEC 23008-12, 6.5.10 and 6.5.12), come out upright, whatever EXIF says besides."""
    turned = any(transformation in data[:HEIF_HEADER_BYTES] for transformation in (b"irot", b"imir"))
    return 1 if turned else image.info.get("original_orientation") or 1


def _header(image: Image.Image) -> Header:
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
    """EXIF's orientation, 1 to 8; 1 if there is none or it is invalid, as in viewers.

    `Image.getexif` is not used: it decodes a whole PNG to search behind the pixels, and trusts XMP.
    """
    try:
        if image.format == "TIFF":
            value = image.tag_v2.get(ORIENTATION)
        else:
            block = image.info.get("exif")
            if not block:
                return 1
            exif = Image.Exif()
            exif.load(block)
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
    if image.mode == "RGB" and image.format == "JPEG":
        return image  # most photos are: a copy would take a tenth of the time of decoding
    return image.convert("RGB")
