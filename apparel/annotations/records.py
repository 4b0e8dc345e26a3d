"""What an annotation file says about a photo, what was wrong with it, and how its boxes come to lie on the photo."""

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from apparel import boxes
from apparel.errors import plain
from apparel.images import Header

Outcome = Literal["repaired", "dropped", "noted"]

NOT_PLAIN = "class name is not plain text on one line, with single spaces"
"""The reason given where `class_name` had to change more than the white space around a name."""


@dataclass(frozen=True)
class Box:
    """One labelled box; `corners` are xmin, ymin, xmax, ymax in pixels, zero-based, the high ones exclusive."""

    label: str
    corners: tuple[float, ...]
    difficult: bool = False

    def __str__(self) -> str:
        return f"{self.label} {' '.join(f'{corner:g}' for corner in self.corners)}"


@dataclass(frozen=True)
class Annotation:
    """One photo as one annotation file has it.

    `file` is the annotation file, `photo` the photo's file name as written in it (empty if it isn't). `stem` is a name
    without ending by which to find the photo when that fails, `size` the photo's width and height in pixels if known.
    """

    file: str
    photo: str
    boxes: tuple[Box, ...]
    size: tuple[int, int] | None = None
    stem: str | None = None


@dataclass(frozen=True)
class Problem:
    """Something about an annotation file that was repaired, dropped, or only worth knowing."""

    outcome: Outcome
    reason: str
    file: str
    detail: str
    boxes: int = 1


@dataclass
class Problems:
    """The problems met in one annotation file, in the order in which they were met.

    `where` is the place in a file of many photos, for the details.
    """

    file: str
    where: str = ""
    found: list[Problem] = field(default_factory=list)

    def add(self, outcome: Outcome, reason: str, detail: object = "", boxes: int = 1) -> None:
        """Adds one that concerns so many boxes; what can't be shown in a terminal is masked, since it comes from
        outside."""
        detail = ": ".join(filter(None, (self.where, str(detail))))
        self.found.append(Problem(outcome, reason, plain(self.file), plain(detail), boxes))


def number(text: str | None) -> float | None:
    """The number that `text` holds, or None if it holds none, or one that is not finite."""
    if text is None or len(text) > 100 or "_" in text:
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return value if np.isfinite(value) else None


def file_name(path: str) -> str:
    """The last part of a path as Windows or Unix writes it."""
    return path.replace("\\", "/").rsplit("/", 1)[-1].strip()


def folded(name: str) -> str:
    """A name as systems compare it that look past case and past how accents are written, as one sign or as two."""
    return unicodedata.normalize("NFC", name).casefold()


def unique(names: Sequence[str], key: Callable[[str], str]) -> dict[str, str]:
    """The names by a key, less those that share theirs with others."""
    keys = [key(name) for name in names]
    counts = Counter(keys)
    return {each: name for each, name in zip(keys, names, strict=True) if counts[each] == 1}


def class_name(written: str) -> str:
    """The class that a text names: on one line with single spaces, accents as one sign with their letter (Unicode's
    NFC), signs that cannot be shown masked; empty if it names none."""
    return plain(" ".join(unicodedata.normalize("NFC", written).split()))


def corners(texts: Iterable[str | None], problems: Problems, label: str) -> tuple[float, ...] | None:
    """Numbers that may be part of a box, or None where one of them can't be; the problem is added."""
    texts = list(texts)
    values = tuple(number(text) for text in texts)
    if None in values:
        problems.add("dropped", "coordinate is not a number", f"{label} {' '.join(str(text) for text in texts)}")
        return None
    if max(map(abs, values)) > boxes.LONGEST_SIDE:
        problems.add("dropped", "coordinate is beyond any photo", Box(label, values))
        return None
    return values


def place(annotation: Annotation, photo: Header, problems: Problems) -> list[Box]:
    """Carries an annotation's boxes to its photo as a viewer shows it, and cuts them at its edges.

    The boxes are turned if the annotation gives the photo's size as it is stored, before EXIF turns it, and scaled if
    it gives the size of a larger or smaller copy and they fit that. Where it gives any other size, boxes that fit the
    photo are kept.
    Corners are rounded to a thousandth of a pixel, which no annotator resolves, so that every machine writes the same.
    """
    size = (photo.upright_width, photo.upright_height)
    found = np.array([box.corners for box in annotation.boxes], dtype=np.float64).reshape(-1, 4)
    moved, must_fit = _carry(found, annotation, photo, problems)
    moved = np.round(moved, 3)
    _note_repeated(annotation, problems)
    kept = []
    for box, whole, cut in zip(annotation.boxes, moved, boxes.clip(moved, *size), strict=True):
        clipped = bool((whole != cut).any())
        if clipped and must_fit:
            problems.add("dropped", "box reaches outside a photo of another size", box)
        elif (whole[2:] - whole[:2] < 1).any():
            problems.add("dropped", "box is smaller than a pixel", box)
        elif (cut[2:] - cut[:2] < 1).any():
            problems.add("dropped", "box lies outside the photo", box)
        else:
            kept.append(replace(box, corners=tuple(cut.tolist())))
            if clipped:
                problems.add("repaired", "box cut at the photo's edge", box)
    return kept


def _note_repeated(annotation: Annotation, problems: Problems) -> None:
    for box, count in Counter(replace(box, difficult=False) for box in annotation.boxes).items():
        if count > 1:
            problems.add("noted", "the same box is there more than once", f"{box}, {count} times")


def _carry(found: np.ndarray, annotation: Annotation, photo: Header, problems: Problems) -> tuple[np.ndarray, bool]:
    """The boxes in the upright photo, and whether only those that fit it can be believed."""
    stored, upright, size = (photo.width, photo.height), (photo.upright_width, photo.upright_height), annotation.size
    if size in (None, upright):
        if photo.orientation != 1 and (size is None or stored == upright) and len(found):
            problems.add("noted", "EXIF turns the photo; boxes taken to be on the turned one", annotation.photo)
        return found, False
    sizes = f"{size[0]}x{size[1]}, photo {upright[0]}x{upright[1]}"
    if size == stored:
        problems.add("repaired", "size is that before EXIF turns the photo; boxes turned", sizes)
        return boxes.upright(found, photo.orientation, *stored), False
    if _same_shape(size, upright) and (_fit(found, size) or not _fit(found, upright)):
        problems.add("repaired", "size is that of a scaled copy; boxes scaled", sizes)
        return found * (np.array(upright * 2) / np.array(size * 2)), False
    problems.add("repaired", "size is not the photo's; boxes kept where they fit", sizes)
    return found, True


def _fit(found: np.ndarray, size: tuple[int, int]) -> bool:
    """Whether all boxes lie in a photo of that size, give or take the pixel that annotators count differently."""
    return bool((found >= -1).all() and (found <= np.array(size * 2) + 1).all())


def _same_shape(size: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether one size is the other scaled, with both sides rounded to whole pixels."""
    small, large = sorted((size, other))
    return abs(small[1] * large[0] - large[1] * small[0]) <= (large[0] + large[1]) / 2
