"""Conversion of annotation files and photos to one label table, with a report of problems."""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import chain
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

from apparel import boxes, images, paths
from apparel.annotations import fiat, pascal_voc
from apparel.annotations.class_list import check_class_list
from apparel.annotations.matching import match_photos
from apparel.annotations.placement import place_boxes
from apparel.annotations.problems import Problem, Problems
from apparel.annotations.records import Annotation, Box
from apparel.annotations.report import group_by_reason
from apparel.errors import UserError, some_of

WORTH_PROCESSES = 5_000
"""Files from which on several processes are faster: one has read fewer before others have started."""


@dataclass(frozen=True)
class Converted:
    """The result of converting a data set.

    `labels` and `difficult` are label tables, the second with those rows of the first that are marked difficult.
    `photos` is a photo table of every photo that has an annotation, with boxes or without. `report` is the content of
    convert.json.
    """

    labels: pd.DataFrame
    difficult: pd.DataFrame
    photos: pd.DataFrame
    report: dict


@dataclass(frozen=True)
class AnnotatedImage:
    """A photo with an annotation: its upright size in pixels, and its boxes inside that."""

    filename: str
    width: int
    height: int
    boxes: list[Box]


def convert_data_set(
    photo_folder: Path,
    annotation_folder: Path,
    class_list: Sequence[str] | None,
    first_pixel: int = 0,
    cores: int | None = None,
) -> Converted:
    """Reads every annotation file of a data set and places its boxes on the photos.

    Args:
        photo_folder: the photos; its subfolders are ignored.
        annotation_folder: `.xml` (PASCAL VOC) and `.csv` (FIAT) files, at any depth.
        class_list: the classes to keep; boxes of others are left out and counted. None keeps all, sorted.
        first_pixel: see `apparel.annotations.pascal_voc.read`.
        cores: how many processes work at once, by default all cores; the result does not depend on it.

    Raises:
        UserError: a folder is missing or empty, no annotation belongs to a photo, or the class list does not fit.
    """
    photo_names = _photo_names(photo_folder)
    files = _annotation_files(annotation_folder)
    read = list(_map(partial(_read_annotations, annotation_folder, first_pixel), files, cores, "annotations"))
    matched, unmatched = match_photos(chain.from_iterable(annotations for annotations, _ in read), photo_names)
    placed = list(_map(partial(_annotate, photo_folder), sorted(matched.items()), cores, "photos"))
    problems = [*_all_problems(read), *unmatched, *_all_problems(placed)]
    annotated = [image for image, _ in placed if image]
    if not annotated:
        first = next((f"; first, {p.file}: {p.reason} ({p.detail})" for p in problems), "")
        raise UserError(f"none of {len(files)} files in {annotation_folder} annotates a photo in {photo_folder}{first}")
    box_counts = Counter(box.label for image in annotated for box in image.boxes)
    if class_list is None:
        class_list = sorted(box_counts)
    else:
        check_class_list(class_list, box_counts)
    labels, difficult, photos = _tables(annotated, class_list)
    report = {
        "annotation_files": len(files),
        "photos": len(photos),
        "photos_without_boxes": len(photos) - labels["filename"].nunique(),
        "photos_without_annotation": len(photo_names) - len(matched),
        "boxes": len(labels),
        "boxes_marked_difficult": len(difficult),
        "boxes_per_class": {name: box_counts[name] for name in class_list},
        "boxes_of_other_classes": {name: box_counts[name] for name in sorted(box_counts) if name not in class_list},
    }
    return Converted(labels, difficult, photos, report | group_by_reason(problems))


def check_imported_files(data_set: Path) -> None:
    """Checks that the photos and annotation files that an import copied, which lists/ names, are still there.

    Raises:
        UserError: some are missing; names the first.
    """
    for part in ("photos", "annotations"):
        listed = data_set / "lists" / f"{part}.txt"
        names = listed.read_text(encoding="utf-8").split("\n")[:-1] if listed.is_file() else []
        gone = [name for name in names if not (data_set / part / name).is_file()]
        if gone:
            tracked = (data_set / f"{part}.dvc").as_posix()
            raise UserError(
                f"gone since the import: {data_set / part / some_of(gone, 1)}; to restore them: "
                f"git restore {tracked}, then dvc checkout {tracked}; to do without, take them out of {listed}"
            )


def _photo_names(folder: Path) -> list[str]:
    if not folder.is_dir():
        drawn = folder == paths.photos("demo")
        remedy = "dvc repro draws them" if drawn else "import the data set: apparel import SOURCE --name NAME"
        raise UserError(f"{folder} not found; {remedy}")
    names = sorted(path.name for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    if not names:
        raise UserError(f"{folder} holds no photos; {_how_to_fetch(folder)}")
    return [name for name in names if boxes.is_file_name(name)]


def _how_to_fetch(folder: Path) -> str:
    return f"fetch them with `dvc checkout {folder.as_posix()}`, or import the data set again"


def _annotation_files(folder: Path) -> list[Path]:
    """Paths relative to the folder, in the same order on every system."""
    files = [path for path in folder.rglob("*") if path.suffix.lower() in (".xml", ".csv") and path.is_file()]
    if not files:
        raise UserError(f"{folder} holds no .xml or .csv files; {_how_to_fetch(folder)}")
    files = [path.relative_to(folder) for path in files if not path.name.startswith(".")]
    return sorted(files, key=lambda path: path.parts)


def _read_annotations(folder: Path, first_pixel: int, file: Path) -> tuple[list[Annotation], list[Problem]]:
    name = file.as_posix()
    try:
        if file.suffix.lower() == ".csv":
            annotations, problems = fiat.read(folder / file, name)
        else:
            annotation, problems = pascal_voc.read(folder / file, name, first_pixel)
            annotations = [annotation]
        return annotations, problems.entries
    except UserError as error:
        return [], [_unreadable("annotation file cannot be read", name, folder / file, error, boxes=0)]


def _annotate(folder: Path, matched: tuple[str, Annotation]) -> tuple[AnnotatedImage | None, list[Problem]]:
    """The photo with its boxes placed on it; None, and the problem, if the photo cannot be read."""
    name, annotation = matched
    try:
        header = images.read_header(folder / name)
    except UserError as error:
        lost = len(annotation.boxes)
        return None, [_unreadable("photo cannot be read", annotation.file, folder, error, lost)]
    problems = Problems(annotation.file, where="" if annotation.stem else name)
    placed = place_boxes(annotation, header, problems)
    return AnnotatedImage(name, header.upright_width, header.upright_height, placed), problems.entries


def _all_problems(results: list[tuple[Any, list[Problem]]]) -> Iterator[Problem]:
    return chain.from_iterable(problems for _, problems in results)


def _unreadable(reason: str, file: str, path: Path, error: UserError, boxes: int) -> Problem:
    """The problem without the path that the error names, since paths differ between machines."""
    problems = Problems(file)
    problems.add("dropped", reason, str(error).removeprefix(str(path)).lstrip("/\\: "), boxes)
    return problems.entries[0]


def _tables(
    annotated: list[AnnotatedImage], class_list: Sequence[str]
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Labels, the difficult ones among them, and photos."""
    sizes = pd.DataFrame(
        [(image.filename, image.width, image.height) for image in annotated], columns=boxes.PHOTO_COLUMNS
    )
    rows = [
        (image.filename, image.width, image.height, box.label, *box.corners, box.difficult)
        for image in annotated
        for box in image.boxes
        if box.label in class_list
    ]
    table = pd.DataFrame(rows, columns=[*boxes.LABEL_COLUMNS, "difficult"])
    difficult = table.loc[table["difficult"].astype("bool"), boxes.LABEL_COLUMNS]
    return (
        boxes.validate_labels(table[boxes.LABEL_COLUMNS]),
        boxes.validate_labels(difficult),
        boxes.validate_photos(sizes),
    )


def _map(work: Callable, items: Sequence, cores: int | None, what: str) -> Iterator:
    """The results of `work`, in the order of the items, with a progress bar once it takes more than a second."""
    cores = cores or (os.cpu_count() if len(items) >= WORTH_PROCESSES else 1)
    progress = partial(tqdm, total=len(items), desc=what, unit="", delay=1, leave=False)
    if cores == 1:
        yield from progress(map(work, items))
    else:
        with ProcessPoolExecutor(cores, mp_context=get_context("spawn")) as pool:
            yield from progress(pool.map(work, items, chunksize=max(1, min(500, len(items) // (4 * cores)))))
