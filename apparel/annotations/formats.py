"""Formats of annotation files, each read by its own module: PASCAL VOC XML, YOLO, COCO JSON, and CSV of two kinds."""

from dataclasses import dataclass, replace
from pathlib import Path

from apparel.annotations import coco_json, fiat, label_table, pascal_voc, yolo
from apparel.annotations.problems import Problems
from apparel.annotations.records import Annotation
from apparel.annotations.renamed import RENAMED, RenamedFiles, read_renamed
from apparel.errors import UserError

SUFFIXES = (".xml", ".csv", ".txt", ".json")

SIDE_FILES = (yolo.CLASSES, RENAMED)
"""Files in a folder of annotation files that are none."""

START_BYTES = 1 << 20
"""Bytes at the start of a CSV file that tell its kind."""


def list_annotation_files(folder: Path) -> list[Path]:
    """The annotation files of a folder, at any depth, relative to it, in the same order on every system."""
    files = [path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file()]
    names = [path.relative_to(folder) for path in files if not path.name.startswith(".")]
    return sorted((name for name in names if name.as_posix() not in SIDE_FILES), key=lambda path: path.parts)


@dataclass(frozen=True)
class AnnotationReader:
    """Reader of the annotation files of a folder.

    `first_pixel` is that of `pascal_voc.read`; `classes` are the names of YOLO's classes by number.
    """

    folder: Path
    first_pixel: int
    classes: tuple[str, ...]
    renamed: RenamedFiles

    def read(self, file: Path) -> tuple[list[Annotation], Problems]:
        """Reads one annotation file, by its path relative to the folder.

        Raises:
            UserError: it cannot be read, or is in none of the formats.
        """
        annotations, problems = self._read(self.folder / file, file.as_posix())
        return [replace(found, photo=self.renamed.translate(found)) for found in annotations], problems

    def _read(self, path: Path, name: str) -> tuple[list[Annotation], Problems]:
        suffix = path.suffix.lower()
        if suffix == ".json":
            return coco_json.read(path, name)
        if suffix == ".csv":
            return (label_table if _is_label_table(path) else fiat).read(path, name)
        if suffix == ".txt":
            if not self.classes:
                raise UserError(f"{path}: YOLO's files number their classes; name them in {yolo.CLASSES}, one a line")
            annotation, problems = yolo.read(path, name, self.classes)
        else:
            annotation, problems = pascal_voc.read(path, name, self.first_pixel)
        return [annotation], problems


def open_annotations(folder: Path, first_pixel: int) -> AnnotationReader:
    """Opens a folder of annotation files.

    Raises:
        UserError: the list of YOLO's classes or of renamed photos beside them is damaged.
    """
    classes = yolo.read_classes(folder / yolo.CLASSES) if (folder / yolo.CLASSES).is_file() else []
    return AnnotationReader(folder, first_pixel, tuple(classes), read_renamed(folder))


def _is_label_table(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            start = file.read(START_BYTES)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    return not fiat.looks_like(start) and label_table.looks_like(start)
