"""Corners of an object in PASCAL VOC XML: its box, or the upright hull of its polygon or turned box."""

import math
import re

from lxml import etree

from apparel.annotations.fields import parse_corners, parse_number
from apparel.annotations.problems import Problems
from apparel.annotations.records import Box
from apparel.boxes import CORNERS, hull

Corners = tuple[float, ...]


def read_corners(element: etree._Element, label: str, problems: Problems) -> Corners | None:
    """Reads where an object is.

    Args:
        element: the object; only its children count, since boxes of its parts lie one level below.
        label: its class, for the report.
        problems: where is added what was repaired, and why there are no corners.

    Returns:
        xmin, ymin, xmax, ymax as written, low corner first; None if the object has no box, several, or one that cannot
        be read. A `<bndbox>` goes before the other shapes.
    """
    for shape in ("bndbox", "robndbox", "polygon"):
        shapes = element.findall(shape)
        if len(shapes) > 1:
            problems.add("dropped", "object has several boxes", label, len(shapes))
            return None
        if shapes:
            read = {"bndbox": _box, "robndbox": _turned_box, "polygon": _polygon}[shape]
            corners = read(shapes[0], label, problems)
            return None if corners is None else _turned_by_cvat(element, Box(label, corners), problems)
    problems.add("dropped", "object has no box", label)
    return None


def _box(bounds: etree._Element, label: str, problems: Problems) -> Corners | None:
    corners = parse_corners([bounds.findtext(corner) for corner in CORNERS], problems, label)
    if corners is None:
        return None
    xmin, ymin, xmax, ymax = corners
    if xmin > xmax or ymin > ymax:
        problems.add("repaired", "corners are swapped", Box(label, corners))
    return min(xmin, xmax), min(ymin, ymax), max(xmin, xmax), max(ymin, ymax)


def _turned_box(bounds: etree._Element, label: str, problems: Problems) -> Corners | None:
    """The hull of a box of roLabelImg: its centre, its sides, and an angle in radians about the centre."""
    numbers = parse_corners([bounds.findtext(name) for name in ("cx", "cy", "w", "h", "angle")], problems, label)
    if numbers is None:
        return None
    corners = hull(*numbers[:4], math.degrees(numbers[4]))
    problems.add("repaired", "box is turned; its upright hull is taken", Box(label, corners))
    return corners


def _polygon(polygon: etree._Element, label: str, problems: Problems) -> Corners | None:
    """The hull of RectLabel's `<x1>`, `<y1>`, `<x2>` and so on, or of LabelMe's `<pt>` with `<x>` and `<y>`."""
    hull_of_axes = []
    for axis in "xy":
        texts = [child.text for child in polygon if re.fullmatch(rf"{axis}\d+", child.tag)]
        texts += [point.findtext(axis) for point in polygon if point.tag in ("pt", "point")]
        values = [parse_number(text) for text in texts]
        hull_of_axes.append([None, None] if len(values) < 3 or None in values else [str(min(values)), str(max(values))])
    (xmin, xmax), (ymin, ymax) = hull_of_axes
    corners = parse_corners([xmin, ymin, xmax, ymax], problems, label)
    if corners is not None:
        problems.add("repaired", "object has a polygon; its upright hull is taken", Box(label, corners))
    return corners


def _turned_by_cvat(element: etree._Element, upright: Box, problems: Problems) -> Corners | None:
    """The corners of an object's upright box; an attribute `rotation` of CVAT turns it about its centre, in degrees.

    None, with the problem added, if that is not a number.
    """
    attributes = element.iterfind("attributes/attribute")
    values = [
        attribute.findtext("value")
        for attribute in attributes
        if (attribute.findtext("name") or "").strip() == "rotation"
    ]
    degrees = parse_number(values[0]) if values else 0
    if degrees is None:
        problems.add("dropped", "rotation is not a number", upright)
        return None
    if not degrees:
        return upright.corners
    problems.add("repaired", "box is turned; its upright hull is taken", upright)
    xmin, ymin, xmax, ymax = upright.corners
    return hull((xmin + xmax) / 2, (ymin + ymax) / 2, xmax - xmin, ymax - ymin, degrees)
