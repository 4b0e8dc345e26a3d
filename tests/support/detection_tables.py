"""Detections on a photo as a prediction run hands them to its writers, and names that photos may have."""

from PIL import Image

from apparel.inference.writer import WrittenDetection

HOSTILE_NAMES = (
    "../../outside.jpg",
    "/etc/outside.jpg",
    "..",
    "shop/<script>document.title='run'</script>.jpg",
    '"><img src=x onerror="document.title=\'run\'">.jpg',
    "two\nlines\r.jpg",
    "quote ' and \" and `${document.title='run'}`.jpg",
    "</script><script>document.title='run'</script>",
    "裙子/Kleid für Größe \u202egpj.jpg",
    "broken \udcff.jpg",
    "gs://bucket/%2e%2e/photo?.jpg#a",
    "shop.zip/" + "very long " * 60 + ".jpg",
    "null \x00 \u2028.jpg",
    "con.jpg",
)
"""Names that inject HTML or JavaScript, leave a folder, or cannot stand for a file."""


def detections(
    *rows: tuple[str, float, tuple[float, float, float, float]], threshold: float = 0.5
) -> list[WrittenDetection]:
    """Detections of class, score and corners in pixels."""
    return [WrittenDetection(name, score, *corners, threshold) for name, score, corners in rows]


def photo(width: int = 60, height: int = 40, colour: str = "white") -> Image.Image:
    """A photo of one colour."""
    return Image.new("RGB", (width, height), colour)
