"""YOLO's text files, one a photo, a line an object, read to annotations; files are not trusted.

A line has the number of a class, from 0, and the box's centre, width and height as shares of the photo's sides
(github.com/AlexeyAB/darknet, README.md, "How to train"); Ultralytics' segments (docs.ultralytics.com/datasets/segment)
and turned boxes (datasets/obb) have the corners of a polygon instead, whose upright hull is taken. What the numbers of
the classes mean stands elsewhere: in `classes.txt` beside the files, a name a line, which an import writes.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from apparel.annotations.fields import parse_class_name, parse_number, read_file
from apparel.annotations.problems import Problems
from apparel.annotations.records import SHARES, Annotation, Box
from apparel.errors import UserError

CLASSES = "classes.txt"
"""The names of the classes, in the order of their numbers, a name a line; LabelImg writes this file, too."""

MAX_BYTES = 5_000_000
"""Bytes; a larger file is refused unread: ten thousand polygons take less."""

MAX_CLASS_BYTES = 1_000_000
"""Bytes of a list of classes."""

BOX_FIELDS = 5
"""Fields of a line with a box."""

FARTHEST = 0.5
"""Share of the photo's side by which a coordinate may lie outside it: what is farther off is given in other units."""

LINE = re.compile(r"\d{1,6}(\.0*)?(\s+[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?){4,}\s*")


def looks_like(text: str) -> bool:
    """Whether the first line with anything on it is a line of YOLO's, in shares of the photo's sides."""
    line = next((line for line in text.splitlines() if line.strip()), "")
    return bool(LINE.fullmatch(line.strip())) and all(_is_share(float(field)) for field in line.split()[1:])


def read_classes(path: Path) -> list[str]:
    """Reads the names of classes by their number, from 0; a blank line is a number without a name.

    Raises:
        UserError: the file is missing, too large, not UTF-8, or names nothing.
    """
    try:
        with path.open("rb") as file:
            text = file.read(MAX_CLASS_BYTES + 1).decode("utf-8-sig")
    except FileNotFoundError:
        raise UserError(f"{path} not found: YOLO's files number their classes; name them there, one a line") from None
    except (OSError, UnicodeDecodeError):
        raise UserError(f"{path} is not a text file in UTF-8") from None
    names = [parse_class_name(line) for line in text.rstrip().splitlines()]
    if not any(names) or len(text) > MAX_CLASS_BYTES:
        raise UserError(f"{path} is no list of classes, one a line")
    return names


def read(path: Path, file: str, classes: Sequence[str]) -> tuple[Annotation, Problems]:
    """Reads one annotation file.

    Args:
        path: the file.
        file: its name in reports.
        classes: the names of the classes by their number.

    Returns:
        The boxes as shares of the photo's sides, which the size `SHARES` says; and what was dropped.

    Raises:
        UserError: the file is too large or not a text.
    """
    try:
        text = read_file(path, MAX_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 (byte {error.start}), as YOLO's files are") from None
    problems = Problems(file)
    boxes = []
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            problems.where = f"line {number}"
            boxes.append(_box(line.split(), classes, problems))
    annotation = Annotation(file, "", tuple(filter(None, boxes)), SHARES, path.stem, boxes.count(None))
    return annotation, problems


def _box(fields: list[str], classes: Sequence[str], problems: Problems) -> Box | None:
    values = [parse_number(field) for field in fields]
    shares = [value for value in values[1:] if value is not None]
    number = values[0]
    if None in values:
        problems.add("dropped", "coordinate is not a number", " ".join(fields[:BOX_FIELDS]))
    elif number not in range(len(classes)) or not classes[int(number)]:
        problems.add("dropped", "number of a class that is not in the list of classes", fields[0])
    elif not all(map(_is_share, shares)):
        problems.add("dropped", "coordinate is no share of the photo's side, 0 to 1", " ".join(fields[:BOX_FIELDS]))
    elif len(fields) != BOX_FIELDS and (len(fields) < 7 or len(fields) % 2 == 0):
        problems.add("dropped", "line has neither a box nor a polygon", f"{len(fields)} fields")
    elif len(fields) == BOX_FIELDS and min(shares[2:]) < 0:
        problems.add("dropped", "width or height is below zero", " ".join(fields))
    else:
        label = classes[int(number)]
        if len(fields) > BOX_FIELDS:
            xs, ys = shares[::2], shares[1::2]
            corners = (min(xs), min(ys), max(xs), max(ys))
        else:
            x, y, width, height = shares
            corners = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
        return Box(label, corners)
    return None


def _is_share(value: float) -> bool:
    return -FARTHEST <= value <= 1 + FARTHEST
