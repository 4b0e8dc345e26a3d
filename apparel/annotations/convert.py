"""Annotation files and photos in; one label table, and a report of what was wrong, out."""

import os
from collections import Counter, defaultdict
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

from apparel import boxes, classes, images, paths
from apparel.annotations import fiat, pascal_voc
from apparel.annotations import report as repairs
from apparel.annotations.records import Annotation, Box, Problem, Problems, folded, place, unique
from apparel.errors import UserError, some_of

WORTH_PROCESSES = 5_000
"""Files; fewer are read by one core before others have started."""

ALIKE = "a name that differs in case or in how accents are written"


@dataclass(frozen=True)
class Converted:
    """What came of a data set.

    `labels` and `difficult` are label tables, the second with those rows of the first that are marked difficult.
    `photos` is a photo table of every photo that has an annotation, with boxes or without. `report` is what
    convert.json says.
    """

    labels: pd.DataFrame
    difficult: pd.DataFrame
    photos: pd.DataFrame
    report: dict


@dataclass(frozen=True)
class Photo:
    """An annotated photo: its upright size in pixels, and its boxes inside that."""

    filename: str
    width: int
    height: int
    boxes: list[Box]


def convert(
    photo_folder: Path,
    annotation_folder: Path,
    class_list: Sequence[str] | None,
    first_pixel: int = 0,
    cores: int | None = None,
) -> Converted:
    """Reads every annotation file of a data set and carries its boxes to the photos.

    Args:
        photo_folder: the photos; folders in it are not looked into.
        annotation_folder: `.xml` (PASCAL VOC) and `.csv` (FIAT) files, at any depth.
        class_list: the classes to keep; boxes of others are left out and counted. None keeps all, sorted.
        first_pixel: see `apparel.annotations.pascal_voc.read`.
        cores: how many work at once, all by default; the result does not depend on it.

    Raises:
        UserError: a folder is missing or empty, no annotation belongs to a photo, or the class list does not fit.
    """
    names = _photo_names(photo_folder)
    files = _annotation_files(annotation_folder)
    read = list(_each(partial(_read, annotation_folder, first_pixel), files, cores, "annotations"))
    matched, unmatched = _match(chain.from_iterable(found for found, _ in read), names)
    placed = list(_each(partial(_place, photo_folder), sorted(matched.items()), cores, "photos"))
    problems = [*_problems(read), *unmatched, *_problems(placed)]
    annotated = [photo for photo, _ in placed if photo]
    if not annotated:
        first = next((f"; first, {p.file}: {p.reason} ({p.detail})" for p in problems), "")
        raise UserError(f"none of {len(files)} files in {annotation_folder} annotates a photo in {photo_folder}{first}")
    found = Counter(box.label for photo in annotated for box in photo.boxes)
    if class_list is None:
        class_list = sorted(found)
    else:
        classes.check(class_list, found)
    labels, difficult, photo_table = _tables(annotated, class_list)
    report = {
        "annotation_files": len(files),
        "photos": len(photo_table),
        "photos_without_boxes": len(photo_table) - labels["filename"].nunique(),
        "photos_without_annotation": len(names) - len(matched),
        "boxes": len(labels),
        "boxes_marked_difficult": len(difficult),
        "boxes_per_class": {name: found[name] for name in class_list},
        "boxes_of_other_classes": {name: found[name] for name in sorted(found) if name not in class_list},
    }
    return Converted(labels, difficult, photo_table, report | repairs.by_reason(problems))


def refuse_vanished(data_set: Path) -> None:
    """Looks for the photos and annotation files that an import brought in, which lists/ names.

    Raises:
        UserError: one is not there any more; names it.
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
        remedy = "dvc repro draws them" if drawn else "import the data set: python -m apparel import SOURCE --name NAME"
        raise UserError(f"{folder} not found; {remedy}")
    names = sorted(path.name for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    if not names:
        raise UserError(f"{folder} holds no photos; {_fetch(folder)}")
    return [name for name in names if boxes.is_file_name(name)]


def _fetch(folder: Path) -> str:
    return f"fetch them with `dvc checkout {folder.as_posix()}`, or import the data set again"


def _annotation_files(folder: Path) -> list[Path]:
    """Relative to the folder, and in the same order on every system."""
    files = [path for path in folder.rglob("*") if path.suffix.lower() in (".xml", ".csv") and path.is_file()]
    if not files:
        raise UserError(f"{folder} holds no .xml or .csv files; {_fetch(folder)}")
    files = [path.relative_to(folder) for path in files if not path.name.startswith(".")]
    return sorted(files, key=lambda path: path.parts)


def _read(folder: Path, first_pixel: int, file: Path) -> tuple[list[Annotation], list[Problem]]:
    name = file.as_posix()
    try:
        if file.suffix.lower() == ".csv":
            annotations, problems = fiat.read(folder / file, name)
        else:
            annotation, problems = pascal_voc.read(folder / file, name, first_pixel)
            annotations = [annotation]
        return annotations, problems.found
    except UserError as error:
        return [], [_dropped_file("annotation file cannot be read", name, folder / file, error, boxes=0)]


def _match(annotations: Iterator[Annotation], names: list[str]) -> tuple[dict[str, Annotation], list[Problem]]:
    """The annotation of each photo, and what found no photo.

    Of several for one photo, the first that is called as the photo is, else the first: copies of annotation files keep
    the name of the original's photo. Those whose photo was only found by a name alike come last.
    """
    photos = _Names(names)
    matched: dict[str, Annotation] = {}
    problems = []
    found = [(annotation, *photos.find(annotation)) for annotation in annotations]
    for annotation, photo, by in sorted(found, key=_trust):
        log = Problems(annotation.file)
        if not photo:
            several = f"; it may be any of {', '.join(fit)}" if (fit := photos.several(annotation)) else ""
            detail = f"'{annotation.photo}', {len(annotation.boxes)} boxes{several}"
            log.add("dropped", "photo is missing", detail, len(annotation.boxes))
        elif photo in matched:
            detail = f"{photo} in {matched[photo].file}"
            log.add("dropped", "photo has an earlier annotation", detail, len(annotation.boxes))
        else:
            matched[photo] = annotation
            if by:
                log.add("repaired", f"photo found by {by}", f"{photo} for '{annotation.photo}'")
            elif other := photos.of_same_stem(annotation, photo):
                log.add("noted", "annotates another photo than the one it is called as", f"{photo}, not {other}")
        problems += log.found
    return matched, problems


def _trust(found: tuple[Annotation, str | None, str]) -> tuple[bool, bool]:
    annotation, _, by = found
    return by == ALIKE, annotation.stem != Path(annotation.photo).stem


class _Names:
    """The photos by what annotations call them."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = set(names)
        self._stems = unique(names, _stem)
        self._endings = defaultdict(list)
        for name in sorted(names):
            self._endings[_stem(name)].append(name)
        self._alike = unique(names, folded)
        self._alike_stems = unique(names, lambda name: folded(_stem(name)))

    def find(self, annotation: Annotation) -> tuple[str | None, str]:
        """The photo of an annotation, None where there is none, and by what it was found if not by its name."""
        name, stem, own = annotation.photo, _stem(annotation.photo), annotation.stem or ""
        if name in self._names:
            return name, ""
        for known, key, by in (
            (self._stems, own, "the annotation's own name"),
            (self._stems, stem, "its name without ending"),
            (self._alike, folded(name), ALIKE),
            (self._alike_stems, folded(own), ALIKE),
            (self._alike_stems, folded(stem), ALIKE),
        ):
            if key in known:
                return known[key], by
        return None, ""

    def of_same_stem(self, annotation: Annotation, photo: str) -> str | None:
        """The photo that the annotation file itself is called as, where that is another than `photo`."""
        other = self._stems.get(annotation.stem or "")
        return None if other == photo else other

    def several(self, annotation: Annotation) -> list[str]:
        """Photos that differ in their ending alone, of which the annotation might mean any."""
        own, written = annotation.stem or "", _stem(annotation.photo)
        return self._endings.get(own) or self._endings.get(written) or []


def _stem(name: str) -> str:
    return Path(name).stem


def _place(folder: Path, matched: tuple[str, Annotation]) -> tuple[Photo | None, list[Problem]]:
    name, annotation = matched
    try:
        header = images.header(folder / name)
    except UserError as error:
        lost = len(annotation.boxes)
        return None, [_dropped_file("photo cannot be read", annotation.file, folder, error, lost)]
    problems = Problems(annotation.file, where="" if annotation.stem else name)
    found = place(annotation, header, problems)
    return Photo(name, header.upright_width, header.upright_height, found), problems.found


def _problems(results: list[tuple[Any, list[Problem]]]) -> Iterator[Problem]:
    return chain.from_iterable(problems for _, problems in results)


def _dropped_file(reason: str, file: str, path: Path, error: UserError, boxes: int) -> Problem:
    """Without the path that the error names, which differs between machines."""
    problems = Problems(file)
    problems.add("dropped", reason, str(error).removeprefix(str(path)).lstrip("/\\: "), boxes)
    return problems.found[0]


def _tables(annotated: list[Photo], class_list: Sequence[str]) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Labels, the difficult ones among them, and photos."""
    sizes = pd.DataFrame([(p.filename, p.width, p.height) for p in annotated], columns=boxes.PHOTO_COLUMNS)
    rows = [
        (photo.filename, photo.width, photo.height, box.label, *box.corners, box.difficult)
        for photo in annotated
        for box in photo.boxes
        if box.label in class_list
    ]
    table = pd.DataFrame(rows, columns=[*boxes.LABEL_COLUMNS, "difficult"])
    difficult = table.loc[table["difficult"].astype("bool"), boxes.LABEL_COLUMNS]
    return boxes.check(table[boxes.LABEL_COLUMNS]), boxes.check(difficult), boxes.check_photos(sizes)


def _each(work: Callable, items: Sequence, cores: int | None, what: str) -> Iterator:
    """`work` of each item, in the order of the items, with a progress bar once it takes more than a second."""
    cores = cores or (os.cpu_count() if len(items) >= WORTH_PROCESSES else 1)
    progress = partial(tqdm, total=len(items), desc=what, unit="", delay=1, leave=False)
    if cores == 1:
        yield from progress(map(work, items))
    else:
        with ProcessPoolExecutor(cores, mp_context=get_context("spawn")) as pool:
            yield from progress(pool.map(work, items, chunksize=max(1, min(500, len(items) // (4 * cores)))))
