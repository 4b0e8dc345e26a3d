"""Kinds of files in a source, by their content: photos, annotations, lists, and formats that are not read."""

import re
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from tqdm import tqdm

from apparel import images
from apparel.annotations import coco_json, csv_lines, fiat, label_table, pascal_voc, yolo
from apparel.annotations.renamed import COLUMNS, RENAMED
from apparel.data.ingest import photo_lists
from apparel.data.ingest.archives import UNSUPPORTED_SUFFIXES, Entry, is_archive
from apparel.errors import UserError, plain
from apparel.utils import limits
from apparel.utils.names import folded

CLASS_LIST = "predefined_classes.txt"
"""LabelImg's list of classes to choose from; it is imported with the lists."""

Kind = Literal[
    "photo", "xml", "yolo", "coco", "fiat", "label table", "classes", "list", "text", "left out", "not read", ""
]
"""`list` is a CSV table of another layout, `text` a text that may list photos; "" stands for anything else."""

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif", ".tif", ".tiff", ".heic", ".heif", ".avif", ".jxl")
"""Suffixes of images; an unreadable one is reported by name."""

RAW_SUFFIXES = (".dng", ".nef", ".cr2", ".cr3", ".arw", ".raf", ".orf", ".rw2", ".pef", ".srw")
"""Suffixes of camera raw files; Pillow would read the small preview in some of them as the photo."""

START_BYTES = 1 << 20
"""Bytes at the start of a file that tell its kind."""

MAX_BYTES = {
    ".xml": pascal_voc.MAX_BYTES,
    ".json": coco_json.MAX_BYTES,
    **dict.fromkeys((".csv", ".txt"), limits.MAX_TABLE_BYTES),
    **dict.fromkeys((".yaml", ".yml"), limits.MAX_YAML_BYTES),
}
"""Bytes of an annotation file or a list by suffix; a larger one is left out, as convert or split would refuse it."""

MASK_FOLDER = re.compile(r"(?i)(^|.*[_\W])(segmentation(class|object)?(aug|raw)?|masks?|segm?)")
"""Names of folders of segmentation masks, such as PASCAL VOC's SegmentationClass."""

MASK_MODES = ("1", "L", "P", "I;16", "I;16B")
"""Pillow's modes of masks: a number a pixel."""

CLASS_FILES = re.compile(r"(?i)classes\.txt|.*\.names|_darknet\.labels")
"""Names of files with the names of YOLO's classes, one a line: LabelImg's, Darknet's, Roboflow's."""

NOT_READ_SUFFIXES = {
    **dict.fromkeys((".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv"), "video"),
    **dict.fromkeys((".svg", ".pdf", ".psd", ".eps", ".ai"), "drawing or document"),
    **dict.fromkeys((".parquet", ".arrow", ".feather"), "Parquet or Arrow"),
    **dict.fromkeys((".xls", ".xlsx", ".ods"), "spreadsheet (save it as CSV)"),
    **dict.fromkeys((".jsonl", ".ndjson", ".manifest"), "JSON lines"),
    **dict.fromkeys(RAW_SUFFIXES, "camera raw photo"),
    **dict.fromkeys((".npy", ".npz", ".pkl", ".pickle", ".mat"), "NumPy, pickle or MATLAB"),
    ".lmdb": "LMDB",
}
"""Formats that hold photos or labels and are not read, by suffix."""

TFRECORD = re.compile(r"(?i).*\.(tf)?records?(-\d+-of-\d+)?")

JSON_FORMATS = {
    "LabelMe JSON": (b'"shapes"', b'"imagePath"'),
    "VGG Image Annotator (VIA) JSON": (b'"regions"', b'"shape_attributes"'),
    "CreateML JSON": (b'"coordinates"', b'"annotations"'),
    "Supervisely JSON": (b'"classTitle"',),
    "Label Studio JSON": (b'"result"', b'"from_name"'),
    "COCO JSON without boxes": (b'"images"', b'"annotations"'),
    "COCO results (detections) JSON": (b'"image_id"', b'"bbox"'),
    "COCO JSON without objects": (b'"images"', b'"categories"'),
    "JSON of a layout that is not known": (b'"label',),
}
"""JSON formats that are not read, in the order in which they are tried, by names that all are in the file's start."""

XML_FORMATS = {"CVAT XML": rb"<annotations[\s>]", "dlib XML": rb"<dataset[\s>]", "TrainingData XML": rb"<TrainingData"}


@dataclass(frozen=True)
class FileKind:
    """A file's kind; `note` is the reason why it is left out, or the name of the format that is not read."""

    kind: Kind
    note: str = ""


class SourceFiles:
    """The files of a source by kind.

    Attributes:
        kinds: the files of each `Kind`, and of "photo list" those texts that list photos.
        left_out: reasons why images and archives cannot be read.
        not_read: names of files in formats that are not read, by format.
        photo_names: names of the photos, with and without ending, folded.
    """

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.kinds: dict[str, list[Entry]] = defaultdict(list)
        self.left_out: list[str] = []
        self.not_read: dict[str, list[str]] = defaultdict(list)
        for entry in tqdm(entries, desc="looking at files", unit="", delay=1, leave=False):
            found = recognise(entry)
            self.kinds[found.kind].append(entry)
            if found.kind == "left out":
                self.left_out.append(found.note)
            elif found.kind == "not read":
                self.not_read[found.note].append(entry.name)
        stems = {folded(PurePosixPath(entry.base).stem) for entry in self.kinds["photo"]}
        self.photo_names = frozenset(stems | {folded(entry.base) for entry in self.kinds["photo"]})
        self._sort_texts(stems)

    def _sort_texts(self, stems: set[str]) -> None:
        """Tells lists of photos, YOLO's files without objects, and texts beside photos from other texts."""
        if not any(folded(PurePosixPath(entry.base).stem) in stems for entry in self.kinds["yolo"]):
            self.kinds["text"] += self.kinds.pop("yolo", [])  # numbers for something else
        texts, self.kinds["text"] = self.kinds["text"], []
        for entry in texts:
            beside_photo = folded(PurePosixPath(entry.base).stem) in stems
            if entry.base == CLASS_LIST or photo_lists.lists_photos(entry, self.photo_names):
                self.kinds["photo list"].append(entry)
            elif beside_photo and self.kinds["yolo"] and not entry.path.read_bytes().strip():
                self.kinds["yolo"].append(entry)
            elif beside_photo:
                self.not_read["text beside a photo, in another layout than YOLO's"].append(entry.name)
            else:
                self.kinds["text"].append(entry)


def recognise(entry: Entry) -> FileKind:
    """The kind of a file, by its content and its suffix."""
    suffix = PurePosixPath(entry.base).suffix.lower()
    if suffix in RAW_SUFFIXES:
        return FileKind("not read", NOT_READ_SUFFIXES[suffix])
    try:
        header = images.read_header(entry.path)
        is_mask = header.format == "PNG" and header.mode in MASK_MODES and _is_in_mask_folder(entry)
        return FileKind("not read", "segmentation mask") if is_mask else FileKind("photo")
    except UserError as error:
        if suffix in IMAGE_SUFFIXES:
            return FileKind("left out", plain(str(error).replace(str(entry.path), entry.name)))
    if is_archive(entry.base) or suffix in UNSUPPORTED_SUFFIXES:
        reason = "is an archive of an unsupported format, or nested too deeply; unpack it and import the folder"
        return FileKind("left out", f"{plain(entry.name)} {reason}")
    if suffix in NOT_READ_SUFFIXES:
        return FileKind("not read", NOT_READ_SUFFIXES[suffix])
    if TFRECORD.fullmatch(entry.base):
        return FileKind("not read", "TFRecord")
    if entry.path.stat().st_size > MAX_BYTES.get(suffix, sys.maxsize):
        reason = f"is larger than {MAX_BYTES[suffix]:,} bytes, too large for a {suffix} file"
        return FileKind("left out", f"{plain(entry.name)} {reason}")
    with entry.path.open("rb") as file:
        start = file.read(START_BYTES)
    by_suffix = {".xml": _xml, ".csv": _csv, ".txt": _text, ".json": _json, ".yaml": _yaml, ".yml": _yaml}
    if suffix in by_suffix:
        return by_suffix[suffix](entry, start)
    return FileKind("classes" if CLASS_FILES.fullmatch(entry.base) else "")


def _is_in_mask_folder(entry: Entry) -> bool:
    return any(MASK_FOLDER.fullmatch(part) for part in entry.name.split("/")[:-1])


def _xml(_entry: Entry, start: bytes) -> FileKind:
    text = start.replace(b"\0", b"")  # UTF-16 has a zero byte beside each ASCII letter
    if re.search(rb"(?i)<([\w.-]+:)?annotation[\s>/]", text) or not text.strip():  # convert reports an empty one
        return FileKind("xml")
    for name, root in XML_FORMATS.items():
        if re.search(root, text):
            return FileKind("not read", name)
    return FileKind("")


def _csv(entry: Entry, start: bytes) -> FileKind:
    if entry.base == RENAMED and start.startswith(",".join(COLUMNS).encode()):
        return FileKind("renamed")
    if fiat.looks_like(start):
        return FileKind("fiat")
    if label_table.looks_like(start):
        return FileKind("label table")
    if b"region_shape_attributes" in start:
        return FileKind("not read", "VGG Image Annotator (VIA) CSV")
    return FileKind("list")


def _text(entry: Entry, start: bytes) -> FileKind:
    if CLASS_FILES.fullmatch(entry.base):
        return FileKind("classes")
    return FileKind("yolo" if yolo.looks_like(csv_lines.decode(start, "replace")) else "text")


def _json(entry: Entry, start: bytes) -> FileKind:
    if coco_json.looks_like(entry.path):
        return FileKind("coco")
    for name, words in JSON_FORMATS.items():
        if all(word in start for word in words):
            return FileKind("not read", name)
    return FileKind("")


def _yaml(_entry: Entry, start: bytes) -> FileKind:
    return FileKind("classes" if re.search(rb"(?m)^['\"]?names['\"]?\s*:", start) else "")
