"""Objects in a PASCAL VOC tree at any depth and in any case, and what looks like an object and is not read."""

import re

from lxml import etree

from apparel.boxes import CORNERS

SHAPES = frozenset(
    ("bndbox", "bbox", "box", "boundingbox", "bounding_box", "rect", "rectangle", "robndbox")
    + ("polygon", "polyline", "segmentation", "ellipse", "circle", "line", "points", "point", "pt")
)
"""Names of elements that hold a shape on the photo, in files of LabelImg, roLabelImg, RectLabel, LabelMe and CVAT."""

PHOTO_FIELDS = frozenset(
    ("folder", "filename", "path", "source", "owner", "size", "imagesize", "segmented", "segments", "scenedescription")
)
"""Names of elements that describe the photo as a whole: numbers in them are no box."""

NUMBERS_OF_A_BOX = 4
"""A box takes so many numbers, in one text, in the attributes of one element, or in the elements below it."""

NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?")

BETWEEN_NUMBERS = re.compile(r"""[\s,;()\[\]{}]+|["']\s*:""")
"""What separates numbers in lists and in JSON; dates and times have other characters between them."""


def fold_names(root: etree._Element) -> None:
    """Makes the names of all elements lower case and takes their namespaces away, in place."""
    for element in root.iter(etree.Element):
        element.tag = etree.QName(element).localname.lower()


def find_objects(root: etree._Element) -> tuple[list[etree._Element], list[etree._Element]]:
    """Finds the objects of an annotation whose names are folded.

    An object is an `<object>`, also below a wrapper such as `<objects>` or inside another object, and any other element
    with a `<name>` and a `<bndbox>`, such as `<obj>`; but not PASCAL's `<part>`, which is a part of an object.

    Returns:
        The objects, in the file's order; and the elements outside them that look like objects or their shapes.
    """
    objects: list[etree._Element] = []
    unread: list[etree._Element] = []
    _search(root, False, objects, unread)
    return objects, unread


def _search(
    parent: etree._Element, in_object: bool, objects: list[etree._Element], unread: list[etree._Element]
) -> None:
    for element in parent.iterchildren(etree.Element):
        if _is_object(element):
            objects.append(element)
            _search(element, True, objects, unread)
        elif element.tag in PHOTO_FIELDS or (in_object and element.tag in ("part", "parts")):
            _search(element, True, objects, unread)
        elif not in_object and _looks_like_object(element):
            unread.append(element)
        else:
            found = len(objects) + len(unread)
            _search(element, in_object, objects, unread)
            if not in_object and element.tag.startswith("obj") and found == len(objects) + len(unread):
                unread += [element] * bool(len(element) or (element.text or "").strip())


def _is_object(element: etree._Element) -> bool:
    if element.tag in ("part", "parts"):
        return False
    return element.tag == "object" or (element.find("name") is not None and element.find("bndbox") is not None)


def _looks_like_object(element: etree._Element) -> bool:
    """Whether an element is a shape, or has one, or as many numbers as a box has."""
    children = [child for child in element.iterchildren(etree.Element) if not _is_object(child)]
    names = {element.tag} | {child.tag for child in children}
    if element.tag in SHAPES or element.tag in CORNERS or (names & SHAPES and element.find("name") is not None):
        return True
    in_text = _count_numbers(element.text)
    in_attributes = sum(map(_count_numbers, element.attrib.values()))
    below = sum(_count_numbers(child.text) == 1 for child in children if not len(child))
    return max(in_text, in_attributes, below) >= NUMBERS_OF_A_BOX


def _count_numbers(text: str | None) -> int:
    return sum(bool(NUMBER.fullmatch(part)) for part in BETWEEN_NUMBERS.split(text or ""))
