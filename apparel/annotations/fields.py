"""Annotation files and the values in them, none of which is trusted: numbers, corners and class names as text."""

import math
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from apparel.annotations.problems import Problems
from apparel.annotations.records import Box
from apparel.boxes import LONGEST_SIDE
from apparel.errors import UserError, plain

NOT_PLAIN = "class name is not plain text on one line, with single spaces"
"""The reason given where `parse_class_name` changes more than the white space around a name."""


def read_file(path: Path, largest: int) -> bytes:
    """The content of a file of at most `largest` bytes; of a larger one no more than that is read.

    Raises:
        UserError: the file is larger, or cannot be read.
    """
    try:
        with path.open("rb") as file:
            data = file.read(largest + 1)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    if len(data) > largest:
        raise UserError(f"{path} is larger than {largest:,} bytes, too large for an annotation; divide it")
    return data


def parse_number(text: str | None) -> float | None:
    """The number that `text` holds; None if it holds none, or one that is not finite."""
    if text is None or len(text) > 100 or "_" in text:
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def parse_class_name(text: str) -> str:
    """The class that a text names: on one line with single spaces, accents as one character with their letter
    (Unicode's NFC), characters that cannot be shown masked; empty if it names none."""
    return plain(" ".join(unicodedata.normalize("NFC", text).split()))


def parse_corners(texts: Iterable[str | None], problems: Problems, label: str) -> tuple[float, ...] | None:
    """Numbers that may be corners or sides of a box, in pixels; None, with the problem added, where one cannot be."""
    texts = list(texts)
    values = tuple(parse_number(text) for text in texts)
    if None in values:
        problems.add("dropped", "coordinate is not a number", f"{label} {' '.join(str(text) for text in texts)}")
        return None
    if max(map(abs, values)) > LONGEST_SIDE:
        problems.add("dropped", "coordinate is beyond any photo", Box(label, values))
        return None
    return values


def parse_size(width: str | None, height: str | None) -> tuple[int, int] | None:
    """A photo's width and height in pixels; None if they are missing, no whole numbers above 0, or beyond any photo."""
    sides = [parse_number(side) for side in (width, height)]
    if not all(side and side % 1 == 0 and 1 <= side <= LONGEST_SIDE for side in sides):
        return None
    return int(sides[0]), int(sides[1])
