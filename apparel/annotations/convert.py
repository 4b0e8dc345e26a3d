"""Conversion of annotation files and photos to one label table, with a report of problems."""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import chain
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from tqdm import tqdm

from apparel import boxes, images, paths
from apparel.annotations.class_list import check_class_list
from apparel.annotations.formats import SUFFIXES, AnnotationReader, list_annotation_files, open_annotations
from apparel.annotations.frames import Frame, decide_frames
from apparel.annotations.pairing import Pairing, pair_photos
from apparel.annotations.placement import place_boxes
from apparel.annotations.problems import Problem, Problems
from apparel.annotations.records import Annotation, Box
from apparel.annotations.report import group_by_reason
from apparel.errors import UserError, some_of
from apparel.images import Header
from apparel.utils import beam

WORTH_PROCESSES = 5_000
"""Files from which on several processes are faster: one has read fewer before others have started."""


@dataclass(frozen=True)
class Converted:
    """The result of converting a data set.

    `labels` and `difficult` are label tables, the second with those rows of the first that are marked difficult.
    `photos` is a photo table of every photo that has an annotation, with boxes or without, but for those that have no
    box of the classes left after some were dropped: they do not show a photo without garments. `report` is the content
    of convert.json.
    """

    labels: pd.DataFrame
    difficult: pd.DataFrame
    photos: pd.DataFrame
    report: dict


@dataclass(frozen=True, slots=True)
class AnnotatedImage:
    """A photo with an annotation: its upright size in pixels, and its boxes inside that.

    `lost_boxes` is the number of boxes that were dropped.
    """

    filename: str
    width: int
    height: int
    boxes: list[Box]
    lost_boxes: int

    def has_box_of(self, class_list: Sequence[str] | None) -> bool:
        """Whether a box is of one of these classes; None stands for any."""
        return any(class_list is None or box.label in class_list for box in self.boxes)


def convert_data_set(
    photo_folder: Path,
    annotation_folder: Path,
    class_list: Sequence[str] | None,
    first_pixel: int = 0,
    pairing: Literal["auto", "name", "filename"] = "auto",
    exif: Literal["auto", "stored", "shown"] = "auto",
    sizes: Literal["auto", "scaled", "own"] = "auto",
    incomplete_as_negative: bool = False,
    cores: int | None = None,
) -> Converted:
    """Reads every annotation file of a data set and places its boxes on the photos.

    Args:
        photo_folder: the photos; its subfolders are ignored.
        annotation_folder: annotation files in the formats of `apparel.annotations.formats`, at any depth.
        class_list: the classes to keep; boxes of others are left out and counted. None keeps all, sorted.
        first_pixel: see `apparel.annotations.pascal_voc.read`.
        pairing: see `apparel.annotations.pairing.pair_photos`.
        exif: see `apparel.annotations.frames.decide_frames`, as for `sizes`.
        sizes: whether boxes with another size than the photo's are scaled, or in the photo's own pixels.
        incomplete_as_negative: whether photos that have no box left after some were dropped stay, as photos without
            garments.
        cores: how many processes work at once, by default all cores; the result does not depend on it.

    Raises:
        UserError: a folder is missing or empty, no annotation belongs to a photo, the set contradicts itself, or the
            class list does not fit.
    """
    photo_names = _photo_names(photo_folder)
    files = _annotation_files(annotation_folder)
    reader = open_annotations(annotation_folder, first_pixel)
    read = list(_map(partial(_read_annotations, reader), files, cores, "annotations", annotation_folder))
    headers = Headers(photo_folder, cores)
    paired = pair_photos(chain.from_iterable(found for found, _ in read), photo_names, headers.read, pairing)
    annotated, decisions, misplaced = _place_boxes(paired, headers, exif, sizes)
    problems = [*_all_problems(read), *paired.problems, *_unreadable_photos(paired, headers), *misplaced]
    incomplete = {image.filename for image in annotated if image.lost_boxes and not image.has_box_of(class_list)}
    if not incomplete_as_negative:
        annotated = [image for image in annotated if image.filename not in incomplete]
    if not annotated:
        first = next((f"; first, {p.file}: {p.reason} ({p.detail})" for p in problems), "")
        raise UserError(f"none of {len(files)} files in {annotation_folder} annotates a photo in {photo_folder}{first}")
    class_list, box_counts = _count_boxes(annotated, class_list)
    labels, difficult, photos = _tables(annotated, class_list)
    report = {
        "annotation_files": len(files),
        "photos": len(photos),
        "photos_without_boxes": len(photos) - labels["filename"].nunique(),
        "photos_without_annotation": len(photo_names) - len(paired.annotations),
        "photos_that_lost_all_boxes": len(incomplete),
        "photos_that_lost_some_boxes": len({image.filename for image in annotated if image.lost_boxes} - incomplete),
        "boxes": len(labels),
        "boxes_marked_difficult": len(difficult),
        **box_counts,
        "decided": [*paired.decisions, *decisions],
    }
    beam.forget("annotations", "photos")
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
    files = list_annotation_files(folder)
    if not files:
        raise UserError(f"{folder} holds no annotation files ({', '.join(SUFFIXES)}); {_how_to_fetch(folder)}")
    return files


def _read_annotations(reader: AnnotationReader, file: Path) -> tuple[list[Annotation], list[Problem]]:
    name, folder = file.as_posix(), reader.folder
    try:
        annotations, problems = reader.read(file)
        return annotations, problems.entries
    except UserError as error:
        problems = Problems(name)
        problems.add("dropped", "annotation file cannot be read", _without_path(error, folder / file), boxes=0)
        return [], problems.entries


def _place_boxes(
    paired: Pairing, headers: "Headers", exif: str, sizes: str
) -> tuple[list[AnnotatedImage], list[str], list[Problem]]:
    """The photos that can be read with boxes placed on them, what was decided about all, and the boxes' problems."""
    readable = {
        photo: (annotation, headers.readable[photo])
        for photo, annotation in sorted(paired.annotations.items())
        if photo in headers.readable
    }
    frames, decisions = decide_frames(readable, exif, sizes)
    work = [(photo, *readable[photo], frames[photo], paired.lost_boxes[photo]) for photo in readable]
    placed = list(_map(_annotate, work, 1, "boxes"))  # to send them to processes would take as long
    return [image for image, _ in placed], decisions, list(_all_problems(placed))


class Headers:
    """Headers of a folder's photos; `readable` by name, and for the others in `unreadable` why they cannot be read."""

    def __init__(self, folder: Path, cores: int | None) -> None:
        self._folder, self._cores = folder, cores
        self.readable: dict[str, Header] = {}
        self.unreadable: dict[str, str] = {}

    def read(self, names: Sequence[str]) -> Mapping[str, Header]:
        """Reads the headers of these photos, and returns those that can be read."""
        found = _map(partial(_read_header, self._folder), names, self._cores, "photos", self._folder)
        for name, header in zip(names, found, strict=True):
            if isinstance(header, Header):
                self.readable[name] = header
            else:
                self.unreadable[name] = header
        return self.readable


def _read_header(folder: Path, name: str) -> Header | str:
    """A photo's header, or why it cannot be read."""
    try:
        return images.read_header(folder / name)
    except UserError as error:
        return _without_path(error, folder)


def _unreadable_photos(paired: Pairing, headers: Headers) -> Iterator[Problem]:
    for photo, annotation in paired.annotations.items():
        if photo in headers.unreadable:
            problems = Problems(annotation.file)
            reason = headers.unreadable[photo]
            problems.add("dropped", "photo cannot be read", reason, len(annotation.boxes))
            yield problems.entries[0]


def _annotate(work: tuple[str, Annotation, Header, Frame, int]) -> tuple[AnnotatedImage, list[Problem]]:
    """The photo with its boxes placed on it."""
    name, annotation, header, frame, lost = work
    problems = Problems(annotation.file, where="" if annotation.stem else name)
    placed = place_boxes(annotation, header, frame, problems)
    lost += annotation.dropped + len(annotation.boxes) - len(placed)
    return AnnotatedImage(name, header.upright_width, header.upright_height, placed, lost), problems.entries


def _all_problems(results: list[tuple[Any, list[Problem]]]) -> Iterator[Problem]:
    return chain.from_iterable(problems for _, problems in results)


def _count_boxes(
    annotated: list[AnnotatedImage], class_list: Sequence[str] | None
) -> tuple[Sequence[str], dict[str, dict[str, int]]]:
    """The classes to keep, and the lines of the report that count the boxes of each and of the others."""
    counts = Counter(box.label for image in annotated for box in image.boxes)
    if class_list is None:
        class_list = sorted(counts)
    else:
        check_class_list(class_list, counts)
    kept = {name: counts[name] for name in class_list}
    others = {name: counts[name] for name in sorted(counts) if name not in class_list}
    return class_list, {"boxes_per_class": kept, "boxes_of_other_classes": others}


def _without_path(error: UserError, path: Path) -> str:
    """The error without the path that it names, since paths differ between machines."""
    return str(error).removeprefix(str(path)).lstrip("/\\: ")


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


def _map(work: Callable, items: Sequence, cores: int | None, what: str, folder: Path | None = None) -> Iterator:
    """The results of `work`, in the order of the items, with a progress bar once it takes more than a second.

    Items that are files of a folder are read by Beam if that was asked for.
    """
    if folder and beam.is_asked():
        yield from beam.map_files(work, folder, items, what)
        return
    cores = cores or (os.cpu_count() if len(items) >= WORTH_PROCESSES else 1)
    progress = partial(tqdm, total=len(items), desc=what, unit="", delay=1, leave=False)
    if cores == 1:
        yield from progress(map(work, items))
    else:
        with ProcessPoolExecutor(cores, mp_context=get_context("spawn")) as pool:
            yield from progress(pool.map(work, items, chunksize=max(1, min(500, len(items) // (4 * cores)))))
