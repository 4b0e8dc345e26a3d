"""CSV tables of labels, a row a box with corners, such as convert's own labels.csv, read to annotations; not trusted.

With a line of column names (`filename,width,height,class,xmin,ymin,xmax,ymax`, as TensorFlow's converters, Roboflow and
this project write it, in any order and with other usual names), or without one in the layout of keras-retinanet:
`path,xmin,ymin,xmax,ymax,class`, where a photo without objects has empty fields.
"""

import re
from collections import defaultdict
from pathlib import Path, PurePosixPath

from apparel.annotations.csv_lines import SEPARATORS, decode, fields, read_lines
from apparel.annotations.fields import NOT_PLAIN, parse_class_name, parse_corners, parse_number, parse_size
from apparel.annotations.problems import Problems
from apparel.annotations.records import SHARES, Annotation, Box
from apparel.boxes import CORNERS
from apparel.errors import UserError
from apparel.utils.names import file_name

NAMES = {
    "filename": ("filename", "imagename", "image", "img", "imagepath", "path", "filepath", "file", "imageid"),
    "class": ("class", "label", "classname", "category", "categoryname", "labelname", "name"),
    "xmin": ("xmin", "x1", "left", "xtl"),
    "ymin": ("ymin", "y1", "top", "ytl"),
    "xmax": ("xmax", "x2", "right", "xbr"),
    "ymax": ("ymax", "y2", "bottom", "ybr"),
    "width": ("width", "imagewidth", "imgwidth"),
    "height": ("height", "imageheight", "imgheight"),
}
"""Names of each column, without regard to case, spaces and underscores; the first that is there counts."""

REQUIRED = ("filename", "class", *CORNERS)

WITHOUT_NAMES = ("filename", *CORNERS, "class")
"""Columns of keras-retinanet's files (github.com/fizyr/keras-retinanet, README.md, "CSV datasets")."""

PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif", ".tif", ".tiff")


def looks_like(start: bytes) -> bool:
    """Whether the first line of a file with this start is that of a table of labels."""
    lines = [line for line in decode(start, "replace").splitlines() if line.strip()]
    return bool(lines) and _layout(lines[0]) is not None


def read(path: Path, file: str) -> tuple[list[Annotation], Problems]:
    """Reads one table.

    Args:
        path: the file.
        file: its name in reports.

    Returns:
        An annotation for each photo, in the file's order: the photo's name with the folders written before it, boxes in
        pixels, zero-based, or in shares, not yet compared with the photo; and the rows that were dropped, and why.

    Raises:
        UserError: the file is too large, neither UTF-8 nor UTF-16, or not such a table.
    """
    lines = [(number, text) for number, text in enumerate(read_lines(path), start=1) if text.strip()]
    layout = _layout(lines[0][1]) if lines else None
    if layout is None:
        raise UserError(f"{path} is no table of labels: expected the columns {', '.join(REQUIRED)}")
    separator, columns, count, has_names = layout
    problems = Problems(file)
    photos: dict[str, list[Box | None]] = defaultdict(list)
    sizes: dict[str, set[tuple[int, int] | None]] = defaultdict(set)
    for line, text in lines[1:] if has_names else lines:
        problems.where = f"line {line}"
        values = fields(text, separator)
        row = {name: values[column] for name, column in columns.items()} if len(values) == count else {}
        if not file_name(row.get("filename", "")):
            problems.add("dropped", "row does not have the columns")
            if columns["filename"] < len(values) and file_name(values[columns["filename"]]):
                photos[_photo(values[columns["filename"]])].append(None)
            continue
        photo = _photo(row["filename"])
        sizes[photo].add(parse_size(row.get("width"), row.get("height")))
        if any(row[name] for name in REQUIRED[1:]):
            photos[photo].append(_box(row, separator, problems))
        else:
            photos[photo] += []  # a photo without objects
    in_shares = _are_shares([box for boxes in photos.values() for box in boxes if box])
    annotations = []
    for photo, boxes in photos.items():
        size = SHARES if in_shares else sizes[photo].pop() if len(sizes[photo]) == 1 else None
        annotations.append(Annotation(file, photo, tuple(filter(None, boxes)), size, dropped=boxes.count(None)))
    return annotations, problems


def _photo(written: str) -> str:
    return written.replace("\\", "/").removeprefix("./")


def _are_shares(boxes: list[Box]) -> bool:
    """Whether the boxes are given in shares of the photos' sides: as pixels, none would be larger than one."""
    corners = [corner for box in boxes for corner in box.corners]
    return bool(corners) and min(corners) >= 0 and max(corners) <= 1


def _layout(line: str) -> tuple[str, dict[str, int], int, bool] | None:
    """Separator, position of each column by name, number of columns, and whether the line names them; or None."""
    for separator in SEPARATORS:
        row = fields(line, separator)
        named = [re.sub(r"[\s_]", "", field.lower()) for field in row]
        columns = {
            column: named.index(known)
            for column, names in NAMES.items()
            if (known := next((name for name in names if name in named), None))
        }
        if columns.keys() >= set(REQUIRED) and len(set(columns.values())) == len(columns):
            return separator, columns, len(row), True
        if len(row) == len(WITHOUT_NAMES) and PurePosixPath(row[0]).suffix.lower() in PHOTO_SUFFIXES:
            numbers = all(parse_number(field) is not None for field in row[1:5]) and parse_number(row[5]) is None
            if (numbers and row[5]) or not any(row[1:]):
                return separator, {name: place for place, name in enumerate(WITHOUT_NAMES)}, len(row), False
    return None


def _box(row: dict[str, str], separator: str, problems: Problems) -> Box | None:
    label = parse_class_name(row["class"])
    texts = [row[name].replace(",", ".") if separator == ";" else row[name] for name in CORNERS]
    corners = parse_corners(texts, problems, label)
    if corners is None:
        return None
    if not label:
        problems.add("dropped", "object has no class", row["filename"])
        return None
    if label != row["class"]:
        problems.add("repaired", NOT_PLAIN, label)
    xmin, ymin, xmax, ymax = corners
    if xmin > xmax or ymin > ymax:
        problems.add("repaired", "corners are swapped", Box(label, corners))
    return Box(label, (min(xmin, xmax), min(ymin, ymax), max(xmin, xmax), max(ymin, ymax)))
