"""CSV files of FIAT, the Fast Image Data Annotation Tool, read to annotations; files are not trusted.

Two layouts, with or without a line of column names. Rect, `path,class,x,y,w,h`, has the top left corner. RotatedRect,
`path,class,center_x,center_y,w,h,o`, which FIAT itself writes, has the centre, and a rotation about it in degrees;
boxes here are upright, so its hull is taken. FIAT's extraction tool adds four columns of noise, which do not describe
the box. Spreadsheets save such files with semicolons and decimal commas, or with tabs in UTF-16; both are read, too.
Sources: github.com/christopher5106/FastAnnotationTool (README.md, src/annotateRect.cpp), and its author's
"File format for computer vision annotations", 2015.
"""

from pathlib import Path

from apparel.annotations import csv_lines
from apparel.annotations.csv_lines import SEPARATORS
from apparel.annotations.fields import NOT_PLAIN, parse_class_name, parse_corners, parse_number
from apparel.annotations.problems import Problems
from apparel.annotations.records import Annotation, Box
from apparel.boxes import hull
from apparel.errors import UserError
from apparel.utils.names import file_name

RECT = ["path", "class", "x", "y", "w", "h"]
ROTATED_RECT = ["path", "class", "center_x", "center_y", "w", "h", "o"]
NOISE = ["noise_x", "noise_y", "noise_rotation", "noise_scale"]


def read(path: Path, file: str) -> tuple[list[Annotation], Problems]:
    """Reads one CSV file.

    Args:
        path: the file.
        file: its name in reports.

    Returns:
        An annotation for each photo in the file, in the file's order, with boxes in pixels, zero-based, not yet
        compared with the photo; and the rows that were dropped, with the reason.

    Raises:
        UserError: the file is too large, neither UTF-8 nor UTF-16, or in neither layout.
    """
    lines = enumerate(csv_lines.read_lines(path), start=1)
    rows, columns = _table([(line, text) for line, text in lines if text.strip()])
    if columns is None or _names_corners(rows[0][1]):
        raise UserError(f"{path} is not FIAT's: expected {','.join(RECT)} or {','.join(ROTATED_RECT)}")
    if [field.lower() for field in rows[0][1]] == columns:
        rows = rows[1:]
    problems = Problems(file)
    # By the whole path: photos of one name in two folders are two, of which convert takes and reports one.
    photos: dict[str, list[Box | None]] = {}
    for line, values in rows:
        problems.where = f"line {line}"
        box = None
        if len(values) != len(columns) or not file_name(values[0]):
            problems.add("dropped", "row does not have the columns")
        else:
            box = _box(dict(zip(columns, values, strict=True)), problems)
        if values and file_name(values[0]):
            photos.setdefault(values[0].replace("\\", "/").removeprefix("./"), []).append(box)
    annotations = [
        Annotation(file, photo, tuple(filter(None, boxes)), dropped=boxes.count(None))
        for photo, boxes in photos.items()
    ]
    return annotations, problems


def looks_like(start: bytes) -> bool:
    """Whether one of the first two lines of a file with this start is a row of FIAT's."""
    lines = [line for line in csv_lines.decode(start, "replace").splitlines() if line.strip()][:2]
    if lines and any(_names_corners(fields(lines[0], separator)) for separator in SEPARATORS):
        return False  # a label table with column names
    return any(layout(fields(line, separator)) for line in lines for separator in SEPARATORS)


def layout(row: list[str]) -> list[str] | None:
    """The columns of a row with these fields, names or values; None if it has no layout of FIAT's."""
    numbers = len(row) > 2 and all(parse_number(field) is not None for field in row[2:])
    for columns in (RECT, ROTATED_RECT, ROTATED_RECT + NOISE):
        if [field.lower() for field in row] == columns or (numbers and len(row) == len(columns)):
            return columns
    return None


def fields(line: str, separator: str) -> list[str]:
    """The fields of one line; empty if it is not CSV. Spreadsheets write decimal commas beside semicolons."""
    row = csv_lines.fields(line, separator)
    return row[:2] + [field.replace(",", ".") for field in row[2:]] if separator == ";" else row


def _table(lines: list[tuple[int, str]]) -> tuple[list[tuple[int, list[str]]], list[str] | None]:
    """Splits the lines by the first separator that matches a layout; returns rows and layout, or ([], None)."""
    for separator in SEPARATORS:
        if columns := next(filter(None, (layout(fields(text, separator)) for _, text in lines)), None):
            return [(line, fields(text, separator)) for line, text in lines], columns
    return [], None


def _names_corners(row: list[str]) -> bool:
    """Whether a row names columns with corners, such as `xmax,ymax`, where FIAT has width and height.

    Their values would be read as width and height; other names of FIAT's columns do no harm.
    """
    names = len(row) >= len(RECT) and all(parse_number(field) is None for field in row[2:])
    return names and [field[:1].lower() for field in row[4:6]] != ["w", "h"]


def _box(row: dict[str, str], problems: Problems) -> Box | None:
    label, rotated = parse_class_name(row["class"]), "o" in row
    numbers = parse_corners([row[name] for name in (ROTATED_RECT if rotated else RECT)[2:6]], problems, label)
    angle = parse_number(row["o"]) if rotated else 0.0
    if numbers is None:
        return None
    if not label:
        problems.add("dropped", "object has no class", row["path"])
    elif angle is None:
        problems.add("dropped", "orientation is not a number", f"{label} {row['o']}")
    elif min(numbers[2:]) < 0:
        problems.add("dropped", "width or height is below zero", Box(label, numbers))
    else:
        x, y, width, height = numbers
        if label != row["class"]:
            problems.add("repaired", NOT_PLAIN, label)
        return Box(label, hull(*numbers, angle) if rotated else (x, y, x + width, y + height))
    return None
