"""COCO's JSON, one file for many photos, read to annotations; files are not trusted.

The format: cocodataset.org/#format-data, "Object Detection". A box is `[x, y, width, height]` in pixels, zero-based. A
crowd (`iscrowd`) has one box around many objects; it is kept as a difficult one, which evaluation counts neither as hit
nor as miss, as COCO's own does.
"""

import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from apparel.annotations.fields import NOT_PLAIN, parse_class_name, parse_corners, parse_number, parse_size, read_file
from apparel.annotations.problems import Problems
from apparel.annotations.records import Annotation, Box
from apparel.errors import UserError, one_line
from apparel.utils.names import file_name

MAX_BYTES = 200_000_000
"""Bytes; a larger file is refused unread: 300,000 objects with polygons take less."""

MAX_VALUES = 10_000_000
"""Numbers and texts in a file, by its commas; each takes about 64 bytes in memory."""

MAX_OBJECTS = 2_000_000
"""Lists and objects in a file, by their brackets: three bytes of the file may take 250 in memory."""


def looks_like(path: Path) -> bool:
    """Whether a JSON file names what COCO's files of boxes have. Files of captions or of stuff have no boxes."""
    with path.open("rb") as file:
        data = file.read(MAX_BYTES)
    return all(name in data for name in (b'"images"', b'"annotations"', b'"categories"', b'"bbox"'))


def read(path: Path, file: str) -> tuple[list[Annotation], Problems]:
    """Reads one file.

    Args:
        path: the file.
        file: its name in reports.

    Returns:
        An annotation for each photo, in the file's order, with boxes or without: the photo's name with the folders
        written before it, its size, and boxes not yet compared with the photo; and what was repaired or dropped.

    Raises:
        UserError: the file is too large, not JSON, or not COCO's.
    """
    document = _load(path)
    if not isinstance(document, dict):
        raise UserError(f"{path} is not COCO's: it is no JSON object")
    images, annotations, categories = (
        [entry for entry in _list(document, name, path) if isinstance(entry, dict)]
        for name in ("images", "annotations", "categories")
    )
    classes = {_key(entry.get("id")): entry.get("name") for entry in categories}
    repeated = {key for key, count in Counter(_key(entry.get("id")) for entry in images).items() if count > 1}
    boxes: dict[str, list[Box | None]] = defaultdict(list)
    known = {_key(entry.get("id")) for entry in images}
    problems = Problems(file)
    for entry in annotations:
        photo, problems.where = _key(entry.get("image_id")), f"annotation {_key(entry.get('id'))[:20]}"
        if photo not in known:
            problems.add("dropped", "photo of the object is not in the file's list of photos", photo[:50])
        elif photo in repeated:
            problems.add("dropped", "several photos have the number of the object's photo", photo[:50])
        else:
            boxes[photo].append(_box(entry, classes, problems))
    problems.where = ""
    images = [entry for entry in images if _key(entry.get("id")) not in repeated]
    of_photos = [_annotation(file, entry, boxes, problems) for entry in images]
    return [annotation for annotation in of_photos if annotation], problems


def _load(path: Path) -> Any:
    data = read_file(path, MAX_BYTES)
    if data.count(b",") > MAX_VALUES or data.count(b"{") + data.count(b"[") > MAX_OBJECTS:
        raise UserError(f"{path} has more values than fit into memory; divide it")
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not sound JSON: {one_line(error)}") from None


def _list(document: dict, name: str, path: Path) -> list:
    value = document.get(name)
    if not isinstance(value, list):
        raise UserError(f"{path} is not COCO's: it has no list '{name}'")
    return value


def _key(value: Any) -> str:
    """A number or text that identifies something, as text: some programs write 1, others "1"."""
    return str(value) if isinstance(value, int | str) and not isinstance(value, bool) and len(repr(value)) < 300 else ""


def _annotation(file: str, entry: dict, boxes: dict[str, list[Box | None]], problems: Problems) -> Annotation | None:
    objects = boxes.get(_key(entry.get("id")), [])
    name = entry.get("file_name")
    if not isinstance(name, str) or not file_name(name):
        problems.add("dropped", "photo has no name", _key(entry.get("id")), len(objects))
        return None
    size = parse_size(_text(entry.get("width")), _text(entry.get("height")))
    photo = name.replace("\\", "/").removeprefix("./")
    return Annotation(file, photo, tuple(filter(None, objects)), size, dropped=objects.count(None))


def _text(value: Any) -> str | None:
    """A number as text, to be parsed as in other formats; None for anything else."""
    return repr(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _box(entry: dict, classes: dict[str, Any], problems: Problems) -> Box | None:
    written = classes.get(_key(entry.get("category_id")))
    label = parse_class_name(written) if isinstance(written, str) else ""
    box = entry.get("bbox")
    if not isinstance(box, list) or len(box) != 4:
        box = _hull(entry.get("segmentation"))
    if not label:
        problems.add("dropped", "number of a class that is not in the list of classes", _key(entry.get("category_id")))
        return None
    if box is None:
        problems.add("dropped", "object has no box", label)
        return None
    values = parse_corners([_text(value) for value in box], problems, label)
    if values is None:
        return None
    x, y, width, height = values
    if min(width, height) < 0:
        problems.add("dropped", "width or height is below zero", Box(label, values))
        return None
    if label != written:
        problems.add("repaired", NOT_PLAIN, label)
    return Box(label, (x, y, x + width, y + height), entry.get("iscrowd") in (1, True))


def _hull(segmentation: Any) -> list[float] | None:
    """The box around polygons, `[x1, y1, x2, y2, ...]` each; None for anything else, such as run lengths of pixels."""
    polygons = segmentation if isinstance(segmentation, list) and segmentation else [None]
    if not all(isinstance(polygon, list) and len(polygon) >= 6 and len(polygon) % 2 == 0 for polygon in polygons):
        return None
    points = [parse_number(_text(value)) for polygon in polygons for value in polygon]
    if None in points:
        return None
    xs, ys = points[::2], points[1::2]
    return [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]
