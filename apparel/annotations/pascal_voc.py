"""PASCAL VOC XML, as LabelImg and others write it, read to annotations; files are not trusted.

The format: M. Everingham et al., "The PASCAL Visual Object Classes Challenge 2012 Development Kit", section 5.
"""

import codecs
import re
from contextlib import suppress
from pathlib import Path

from lxml import etree

from apparel.annotations.fields import NOT_PLAIN, parse_class_name, parse_number, read_file
from apparel.annotations.problems import Problems
from apparel.annotations.records import Annotation, Box
from apparel.annotations.voc_objects import find_objects, fold_names
from apparel.annotations.voc_shapes import read_corners
from apparel.boxes import LONGEST_SIDE
from apparel.errors import UserError
from apparel.utils.names import file_name

MAX_BYTES = 5_000_000
"""Bytes; a larger file is refused unread: ten thousand boxes take less."""


def read(path: Path, file: str, first_pixel: int = 0) -> tuple[Annotation, Problems]:
    """Reads one annotation file.

    Args:
        path: the file.
        file: its name in reports.
        first_pixel: the coordinate that the writer gives to the first pixel. With 1, as PASCAL's own files have it,
            corners name the first and the last pixel inside a box, so one is taken from xmin and ymin.

    Returns:
        The photo's name, size and boxes as written, zero-based, low corner first, not yet compared with the photo;
        and what was repaired or dropped.

    Raises:
        UserError: the file is too large, not XML, not an annotation, or has a document type, which is where entity
            bombs and references to other files come from.
    """
    root = _parse(path)
    fold_names(root)
    if root.tag != "annotation":
        raise UserError(f"{path}: not a PASCAL VOC annotation: its root is <{root.tag[:50]}>, not <annotation>")
    problems = Problems(file)
    objects, unread = find_objects(root)
    for element in unread:
        problems.add("dropped", "looks like an object, but is none of PASCAL VOC's", f"<{element.tag}>")
    annotated = [_box(element, first_pixel, problems) for element in objects]
    annotation = Annotation(
        file=file,
        photo=_photo_name(root, problems),
        boxes=tuple(box for box in annotated if box),
        size=_size(root, problems),
        stem=path.stem,
        dropped=problems.dropped_boxes(),
    )
    return annotation, problems


class _DocumentType:
    """A parser's target that raises at a document type, before its entities are read, and ignores all else."""

    def doctype(self, name: str, public: str | None, system: str | None) -> None:
        raise UserError("it has a document type (<!DOCTYPE>), which annotations do not need; remove that")

    def close(self) -> None:
        """Required by lxml."""


def _parse(path: Path) -> etree._Element:
    data = read_file(path, MAX_BYTES).lstrip(
        b" \t\r\n"
    )  # XML forbids white space before its declaration; it does no harm
    # Comments would split the text around them.
    safe = {
        "encoding": _encoding(data),
        "resolve_entities": False,
        "load_dtd": False,
        "no_network": True,
        "huge_tree": False,
        "remove_comments": True,
    }
    try:
        etree.fromstring(data, etree.XMLParser(target=_DocumentType(), **safe))
        return etree.fromstring(data, etree.XMLParser(remove_pis=True, **safe))
    except UserError as error:
        raise UserError(f"{path} is refused: {error}") from None
    except etree.XMLSyntaxError as error:
        raise UserError(f"{path} is not sound XML: {' '.join(str(error.msg).split())}") from None


def _encoding(data: bytes) -> str | None:
    """The encoding to override the declared one, if libxml2 would fail with that; None otherwise.

    Python's writers declare `latin-1`, which libxml2 does not know, and .NET's declare `utf-16` for UTF-8 as well: a
    declaration in single bytes is not UTF-16.
    """
    declared = re.match(rb"(?:\xef\xbb\xbf)?<\?xml[^>]{0,100}?encoding\s*=\s*[\"']([\w.:-]{1,40})[\"']", data)
    if not declared:
        return None
    name = declared[1].decode("ascii")
    if re.search(r"(?i)ucs|utf.?(16|32)", name):
        return "utf-8"
    with suppress(LookupError):
        etree.XMLParser(encoding=name)
        return None
    with suppress(LookupError):
        standard_name = codecs.lookup(name).name
        etree.XMLParser(encoding=standard_name)
        return standard_name
    return None


def _photo_name(root: etree._Element, problems: Problems) -> str:
    names = {file_name(element.text or "") for element in root.iterfind("filename")}
    if len(names) > 1:
        problems.add("repaired", "file name is there more than once; not used", ", ".join(sorted(names)))
    return names.pop() if len(names) == 1 else ""


def _size(root: etree._Element, problems: Problems) -> tuple[int, int] | None:
    sizes = {(size.findtext("width"), size.findtext("height")) for size in root.iterfind("size")}
    width, height = map(parse_number, sizes.pop() if len(sizes) == 1 else (None, None))
    if not (width and height and min(width, height) >= 1 and width % 1 == height % 1 == 0):
        problems.add("repaired", "size is missing or zero; taken from the photo")
    elif max(width, height) > LONGEST_SIDE:
        problems.add("repaired", "size is beyond any photo; taken from the photo")
    else:
        return int(width), int(height)
    return None


def _box(element: etree._Element, first_pixel: int, problems: Problems) -> Box | None:
    written = element.findtext("name") or ""
    label = parse_class_name(written)
    if (element.findtext("deleted") or "").strip() == "1":  # LabelMe keeps the objects that its user removed
        problems.add("noted", "object is marked as deleted; left out", label)
    elif not label:
        problems.add("dropped", "object has no class")
    elif len({parse_class_name(name.text or "") for name in element.iterfind("name")}) > 1:
        problems.add("dropped", "object has several classes", label)
    elif corners := read_corners(element, label, problems):
        if label != written:
            around = label == written.strip()
            problems.add("repaired", "class name has white space around it" if around else NOT_PLAIN, label)
        xmin, ymin, xmax, ymax = corners
        difficult = (element.findtext("difficult") or "").strip().lower() in ("1", "true")
        return Box(label, (xmin - first_pixel, ymin - first_pixel, xmax, ymax), difficult)
    return None
