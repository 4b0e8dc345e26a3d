"""Label and photo tables, validated, and the geometry of boxes.

A box is `[xmin, xmax) x [ymin, ymax)` in pixels of the upright photo, zero-based floats. A *label table* is a
`pandas.DataFrame` with the columns `LABEL_COLUMNS` and nothing else, one row a box; a *photo table* has
`PHOTO_COLUMNS`, one row a photo. Arrays of boxes are `(N, 4)` floats in the order `CORNERS`.
"""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from apparel.errors import UserError
from apparel.utils import csv_tables

CORNERS = ["xmin", "ymin", "xmax", "ymax"]
PHOTO_COLUMNS = ["filename", "width", "height"]
LABEL_COLUMNS = [*PHOTO_COLUMNS, "class", *CORNERS]

LONGEST_SIDE = 1_000_000
"""Pixels; no photo format in use allows more, so a larger number is a fault."""

LONGEST_FILE_NAME = 255
"""Bytes that file systems allow, counted in UTF-8, the longest form in which one of them stores a name."""

FILE_NAME = re.compile(r"[^/\\\x00-\x1f\x7f\ud800-\udfff]+")
CLASS_NAME = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]+")


def is_file_name(name: str) -> bool:
    """Whether `name` can stand for a file in one folder on any system: no separators, no control characters."""
    if FILE_NAME.fullmatch(name) is None or name in (".", ".."):
        return False
    return len(name.encode()) <= LONGEST_FILE_NAME


def is_class_name(name: str) -> bool:
    """Whether `name` can stand for a class: text without control characters or outer white space."""
    return CLASS_NAME.fullmatch(name) is not None and name == name.strip()


def empty() -> pd.DataFrame:
    """A label table without rows."""
    return validate_labels(pd.DataFrame(columns=LABEL_COLUMNS))


def validate_labels(table: pd.DataFrame, name: str = "label table", row: str = "row") -> pd.DataFrame:
    """Validates a label table.

    Args:
        table: the columns `LABEL_COLUMNS`; numbers may still be text.
        name: what errors call the table, such as its path.
        row: what errors call a row; its index label follows.

    Returns:
        A copy sorted by filename, class and corners, numbered from 0: text as `str`, width and height as `int64`,
        corners as `float64`.

    Raises:
        UserError: a column is missing or unknown, or a row is not a box inside its photo; names the first such row.
    """
    table = _typed(table, LABEL_COLUMNS, name)
    xmin, ymin, xmax, ymax = (table[corner] for corner in CORNERS)
    faults = _photo_faults(table) | {
        "has no plain class name": ~_holds(is_class_name, table["class"]),
        "has a coordinate that is not a number": ~np.isfinite(table[CORNERS]).all(axis=1),
        "has no area: xmin < xmax and ymin < ymax must hold": (xmin >= xmax) | (ymin >= ymax),
        "reaches outside its photo": (xmin < 0) | (ymin < 0) | (xmax > table["width"]) | (ymax > table["height"]),
        "gives its photo another size than an earlier row": _other_size(table),
    }
    _check_rows(table, faults, name, row)
    return _finish(table, ["filename", "class", *CORNERS])


def validate_photos(table: pd.DataFrame, name: str = "photo table", row: str = "row") -> pd.DataFrame:
    """Validates a photo table, as `validate_labels` does a label table; each photo has one row. Sorted by filename."""
    table = _typed(table, PHOTO_COLUMNS, name)
    _check_rows(table, _photo_faults(table) | {"repeats a photo": table["filename"].duplicated()}, name, row)
    return _finish(table, ["filename"])


def read_labels(path: Path) -> pd.DataFrame:
    """Reads a label table from CSV, such as the published `labels.csv`; extra columns are left out.

    Raises:
        UserError: the file is missing, not UTF-8 CSV, or not a label table; names the file and the line.
    """
    return validate_labels(csv_tables.read(path, LABEL_COLUMNS), str(path), "line")


def read_photos(path: Path) -> pd.DataFrame:
    """Reads a photo table from CSV; raises as `read_labels` does."""
    return validate_photos(csv_tables.read(path, PHOTO_COLUMNS), str(path), "line")


def write_labels(table: pd.DataFrame, path: Path) -> None:
    """Validates a label table and writes it as CSV, sorted, byte-identical for equal tables."""
    csv_tables.write(validate_labels(table, str(path)), path)


def write_photos(table: pd.DataFrame, path: Path) -> None:
    """Validates a photo table and writes it as CSV, sorted, byte-identical for equal tables."""
    csv_tables.write(validate_photos(table, str(path)), path)


def class_ids(labels: pd.DataFrame, classes: Sequence[str]) -> np.ndarray:
    """The class id of each row, `(N,) int64`: the position of its class in `classes`, from 1.

    Raises:
        UserError: a row's class is not in `classes`.
    """
    ids = pd.Index(classes).get_indexer(labels["class"]) + 1
    if (ids == 0).any():
        raise UserError(f"class '{labels['class'].iloc[int(np.argmin(ids))]}' is not in data.classes of params.yaml")
    return ids.astype(np.int64)


def area(boxes: np.ndarray) -> np.ndarray:
    """Area in square pixels, `(N,)`, of boxes `(N, 4)`; 0 for a box whose corners are in the wrong order."""
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 0.0)
    return sides[:, 0] * sides[:, 1]


def intersection(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Shared area in square pixels, `(N, M)`, of boxes `a` `(N, 4)` and `b` `(M, 4)`."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    sides = np.maximum(high - low, 0.0)
    return sides[..., 0] * sides[..., 1]


def iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union, `(N, M)` in 0..1, of boxes `a` `(N, 4)` and `b` `(M, 4)`; 0 where both are empty."""
    shared = intersection(a, b)
    union = area(a)[:, None] + area(b)[None, :] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def clip(boxes: np.ndarray, width: float, height: float) -> np.ndarray:
    """Boxes `(N, 4)` cut at the edges of a photo of this size, in pixels; what lies outside becomes empty."""
    return np.clip(boxes, 0.0, [width, height, width, height])


def hull(center_x: float, center_y: float, width: float, height: float, degrees: float) -> tuple[float, ...]:
    """Corners of the smallest upright box around a rectangle that is turned about its centre; all in pixels."""
    angle = np.radians(degrees % 180.0)
    cos, sin = (abs(float(value)) for value in (np.cos(angle), np.sin(angle)))
    half_x = (width * cos + height * sin) / 2
    half_y = (width * sin + height * cos) / 2
    return center_x - half_x, center_y - half_y, center_x + half_x, center_y + half_y


def upright(boxes: np.ndarray, orientation: int, width: float, height: float) -> np.ndarray:
    """Boxes `(N, 4)` of a photo as stored, in pixels of the photo as a viewer shows it.

    Args:
        boxes: corners in the stored photo.
        orientation: the EXIF tag 0x0112, 1..8 (Exif 2.32, section 4.6.4); any other value is taken as 1.
        width: of the stored photo, before it is turned.
        height: of the stored photo, before it is turned.
    """
    xmin, ymin, xmax, ymax = np.asarray(boxes, dtype=np.float64).reshape(-1, 4).T
    left, right = (xmin, xmax), (width - xmax, width - xmin)
    top, bottom = (ymin, ymax), (height - ymax, height - ymin)
    turned = {2: (right, top), 3: (right, bottom), 4: (left, bottom)}
    turned |= {5: (top, left), 6: (bottom, left), 7: (bottom, right), 8: (top, right)}
    (new_xmin, new_xmax), (new_ymin, new_ymax) = turned.get(orientation, (left, top))
    return np.stack([new_xmin, new_ymin, new_xmax, new_ymax], axis=1)


def _typed(table: pd.DataFrame, columns: list[str], name: str) -> pd.DataFrame:
    if sorted(map(str, table.columns)) != sorted(columns):
        raise UserError(f"{name}: expected the columns {','.join(columns)}, found {','.join(map(str, table.columns))}")
    text = {column: table[column].astype("str") for column in columns if column in ("filename", "class")}
    numbers = {
        column: pd.to_numeric(table[column], errors="coerce").astype("float64")
        for column in columns
        if column not in text
    }
    return pd.DataFrame(text | numbers, index=table.index)[columns]


def _photo_faults(table: pd.DataFrame) -> dict[str, pd.Series]:
    sides = table[["width", "height"]]
    return {
        "has no plain file name": ~_holds(is_file_name, table["filename"]),
        "has a width or height that is not a whole number of pixels": ~(
            (sides >= 1) & (sides <= LONGEST_SIDE) & (sides % 1 == 0)
        ).all(axis=1),
    }


def _holds(condition: Callable[[str], bool], column: pd.Series) -> pd.Series:
    return column.map(condition).astype("bool")


def _other_size(table: pd.DataFrame) -> pd.Series:
    sides = ["width", "height"]
    return (table.groupby("filename")[sides].transform("first") != table[sides]).any(axis=1)


def _check_rows(table: pd.DataFrame, faults: dict[str, pd.Series], name: str, row: str) -> None:
    for fault, rows in faults.items():
        if rows.any():
            first = int(rows.to_numpy(dtype=bool).argmax())
            raise UserError(f"{name}, {row} {table.index[first]} ({table['filename'].iloc[first]!r}) {fault}")


def _finish(table: pd.DataFrame, order: list[str]) -> pd.DataFrame:
    table = table.astype({"width": "int64", "height": "int64"})
    return table.sort_values(order, kind="stable", ignore_index=True)
