"""Detections as PASCAL VOC XML files like LabelImg's, to correct by hand and to train on."""

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lxml import etree
from PIL import Image

from apparel import paths
from apparel.analysis.predictions.output_names import local_file, picture_path
from apparel.boxes import CORNERS
from apparel.data.ingest.file_kinds import IMAGE_SUFFIXES
from apparel.errors import UserError, plain, some_of
from apparel.inference.writer import WrittenDetection
from apparel.utils import files
from apparel.utils.names import file_name

NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0, section 2.2, has no form for."""

NAMED = 3
"""Files that the closing sentence names; more are counted."""


LABELLED_BY = "labelled_by.json"
"""File in a folder of data/unlabelled: which model wrote the XML files there, by which thresholds."""


class VocXml:
    """Writes an XML file beside each photo; an `apparel.inference.writer.Writer`.

    Photos that are no files of this machine, such as those in archives, have their XML in the output's folder; so have
    those whose names differ in the suffix alone, such as `a.jpg` and `a.png`, since `a.xml` beside them could be either
    one's. A file that exists with other content, such as labels drawn by hand, is left as it is. A photo without
    detections gets a file without objects.

    In a folder of data/unlabelled, where a training takes the files as labels, `LABELLED_BY` says who made them, and
    detections below their thresholds, where there are any, are written as difficult: the training ignores them.

    Args:
        folder: for files that are not beside their photos.
        maker: content of `LABELLED_BY`.
    """

    def __init__(self, folder: Path, maker: Mapping[str, Any] | None = None) -> None:
        self._folder, self._maker = folder, dict(maker or {})
        self._recorded: set[Path] = set()
        self._kept: list[str] = []
        self._ambiguous: list[str] = []

    def write(self, name: str, photo: Image.Image, detections: Sequence[WrittenDetection]) -> None:
        """Writes the detections at or above their thresholds.

        Raises:
            UserError: the photo is one of data/unlabelled, where labels of another model or other thresholds are.
        """
        local = local_file(name)
        if local and _shares_stem(local):
            self._ambiguous.append(plain(name) if len(self._ambiguous) < NAMED else "")
            local = None
        path = local.with_suffix(".xml") if local else self._folder / picture_path(name, ".xml")
        is_unlabelled = path.parent.resolve().parent == paths.UNLABELLED.resolve()
        if is_unlabelled and path.parent not in self._recorded:
            _record_maker(path.parent, self._maker)
            self._recorded.add(path.parent)
        written = [detection for detection in detections if detection.is_shown or is_unlabelled]
        if not _create(path, annotation_xml(name, photo.size, written)):
            self._kept.append(plain(str(path)) if len(self._kept) < NAMED else "")

    def close(self) -> str | None:
        """Says which files existed, and which are not beside their photos: how many, and some by name."""
        remarks = []
        if self._kept:
            count = f"{len(self._kept):,} XML file{'s' * (len(self._kept) > 1)}"
            remarks.append(f"{count} existed with other content and stayed as they were: {some_of(self._kept, NAMED)}")
        if self._ambiguous:
            remarks.append(
                f"{len(self._ambiguous):,} photos share their names but for the suffix with others beside them, so "
                f"their XML files are in {self._folder}: {some_of(self._ambiguous, NAMED)}"
            )
        for folder in sorted(self._recorded):
            name = folder.name
            remarks.append(
                f"labels of {folder}, made by the model of {LABELLED_BY} there; to train on them:\n  dvc add {folder}\n"
                f"  git add {folder}.dvc\n  apparel run -S data.unlabelled={name} -S train.teacher=labels"
            )
        return "\n".join(remarks) or None


def _record_maker(folder: Path, maker: Mapping[str, Any]) -> None:
    """Writes `LABELLED_BY`, so that DVC hashes it with the labels.

    Raises:
        UserError: it is there with other content.
    """
    record, content = folder / LABELLED_BY, json.loads(json.dumps(maker))
    try:
        earlier = json.loads(record.read_text(encoding="utf-8"))
    except FileNotFoundError:
        files.write_json(record, content)
        return
    except (OSError, ValueError):
        earlier = None
    if earlier != content:
        raise UserError(
            f"{folder} has labels of another model, or by other thresholds, as {record.name} says; to replace them: "
            f"rm {folder}/*.xml {record}"
        )


def _shares_stem(photo: Path) -> bool:
    """Whether another photo lies beside this one that differs in its suffix alone, also in capitals."""
    candidates = {photo.with_suffix(form) for suffix in IMAGE_SUFFIXES for form in (suffix, suffix.upper())}
    others = [path for path in candidates - {photo} if path.is_file()]
    return any(not path.samefile(photo) for path in others)  # the same one where capitals do not count


def annotation_xml(name: str, size: tuple[int, int], detections: Sequence[WrittenDetection]) -> bytes:
    """The file's content, in the order and with the zero-based whole pixels of LabelImg (`libs/pascal_voc_io.py`).

    Args:
        name: of the photo.
        size: width and height of the upright photo, in pixels.
        detections: all of them are written.
    """
    root = etree.Element("annotation")
    folders, _, _ = name.rpartition("/")
    _text(root, "folder", file_name(folders))
    _text(root, "filename", file_name(name))
    _text(etree.SubElement(root, "source"), "database", "Unknown")
    sides = etree.SubElement(root, "size")
    for side, value in zip(("width", "height", "depth"), (*size, 3), strict=True):
        _text(sides, side, str(value))
    _text(root, "segmented", "0")
    for detection in detections:
        corners = _whole(detection.corners, size)
        touches = min(corners[:2]) == 0 or corners[2] == size[0] or corners[3] == size[1]
        element = etree.SubElement(root, "object")
        _text(element, "name", detection.name)
        _text(element, "pose", "Unspecified")
        _text(element, "truncated", str(int(touches)))
        _text(element, "difficult", str(int(not detection.is_shown)))
        box = etree.SubElement(element, "bndbox")
        for corner, value in zip(CORNERS, corners, strict=True):
            _text(box, corner, str(value))
    return etree.tostring(root, pretty_print=True, encoding="utf-8")


def _whole(corners: Sequence[float], size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The corners rounded to whole pixels, inside the photo and at least one apart."""
    xmin, ymin = (min(max(0, round(low)), side - 1) for low, side in zip(corners[:2], size, strict=True))
    xmax, ymax = (min(round(high), side) for high, side in zip(corners[2:], size, strict=True))
    return xmin, ymin, max(xmax, xmin + 1), max(ymax, ymin + 1)


def _text(parent: etree._Element, tag: str, text: str) -> None:
    etree.SubElement(parent, tag).text = NOT_XML.sub("?", text)


def _create(path: Path, content: bytes) -> bool:
    """Writes a new file whole; False, and nothing is written, if there is one with other content."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{os.getpid()}.partial")
    try:
        partial.write_bytes(content)
        _link(partial, path)
    except FileExistsError:
        return path.is_file() and path.stat().st_size == len(content) and path.read_bytes() == content
    finally:
        partial.unlink(missing_ok=True)
    return True


def _link(partial: Path, path: Path) -> None:
    """Gives a file a second name; fails, unlike a rename, if the name is taken, also if that happens at this moment."""
    try:
        os.link(partial, path)
    except FileExistsError:
        raise
    except OSError:  # no links on this file system, such as exFAT
        with path.open("xb") as file:
            file.write(partial.read_bytes())
