"""HTML pages: the Jinja environment, its filters, and the head that all pages share (`base.html`).

A page lies in one file: pictures, styles and scripts are within it, so it opens without a network and can be mailed.
"""

import base64
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image

BASE = Path(__file__).with_name("base.html")
"""The template that every page extends."""

UNDEFINED = "-"
"""Text of a figure that is undefined, such as the AP of a class without ground truth."""

MEDIA_TYPES = {".svg": "image/svg+xml", ".jpg": "image/jpeg"}
"""Media types of the pictures that stages write, by suffix."""

THUMBNAIL_QUALITY = 75
"""JPEG quality of pictures that exist on a page only: half the bytes of Pillow's 90, no visible difference."""


def render(template: Path, **values: Any) -> str:
    """A page from a template that lies beside the module of the page.

    Args:
        template: extends `base.html`; a name in it that is not in `values` is an error.
        values: what the template shows. Text is escaped: names of photos and classes may hold anything.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader([template.parent, BASE.parent]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"figure": figure, "signed": signed, "percent": percent, "data_uri": file_data_uri}
    return environment.get_template(template.name).render(values)


def figure(value: float, decimals: int = 3) -> str:
    """A number with fixed decimals, such as `0.412`."""
    return UNDEFINED if _is_nan(value) else f"{value:.{decimals}f}"


def signed(value: float) -> str:
    """A difference with its sign, such as `+0.031`."""
    return UNDEFINED if _is_nan(value) else f"{value:+.3f}"


def percent(share: float) -> str:
    """A share from 0 to 1 in whole percents, such as `41%`."""
    return UNDEFINED if _is_nan(share) else f"{share:.0%}"


def _is_nan(value: float) -> bool:
    return value != value


def file_data_uri(path: Path) -> str:
    """An SVG or JPEG file as a data URI."""
    return _data_uri(MEDIA_TYPES[path.suffix], path.read_bytes())


def image_data_uri(image: "Image.Image") -> str:
    """An image as the data URI of a JPEG."""
    data = io.BytesIO()
    image.save(data, "JPEG", quality=THUMBNAIL_QUALITY)
    return jpeg_data_uri(data.getvalue())


def jpeg_data_uri(data: bytes) -> str:
    """The bytes of a JPEG as a data URI."""
    return _data_uri("image/jpeg", data)


def _data_uri(media_type: str, data: bytes) -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode('ascii')}"
