"""Boxes of an annotation placed on its photo as a viewer shows it: turned, scaled and cut where that is needed."""

from collections import Counter
from dataclasses import replace

import numpy as np

from apparel import boxes
from apparel.annotations.problems import Problems
from apparel.annotations.records import Annotation, Box
from apparel.images import Header


def place_boxes(annotation: Annotation, photo: Header, problems: Problems) -> list[Box]:
    """Converts an annotation's boxes to pixels of the upright photo, and clips them at its edges.

    The boxes are turned if the annotation gives the photo's size as it is stored, before EXIF turns it, and scaled if
    it gives the size of a larger or smaller copy and they fit that. Where it gives any other size, boxes that fit the
    photo are kept.
    Corners are rounded to a thousandth of a pixel, which no annotator resolves, so that every machine writes the same.

    Returns:
        Boxes of at least a pixel on each side, in pixels of the upright photo.
    """
    size = (photo.upright_width, photo.upright_height)
    annotated = np.array([box.corners for box in annotation.boxes], dtype=np.float64).reshape(-1, 4)
    moved, must_fit = _to_upright_photo(annotated, annotation, photo, problems)
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


def _to_upright_photo(
    corners: np.ndarray, annotation: Annotation, photo: Header, problems: Problems
) -> tuple[np.ndarray, bool]:
    """Boxes `(N, 4)` in pixels of the upright photo, and whether only those that fit it can be trusted."""
    stored, upright, size = (photo.width, photo.height), (photo.upright_width, photo.upright_height), annotation.size
    if size in (None, upright):
        if photo.orientation != 1 and (size is None or stored == upright) and len(corners):
            problems.add("noted", "EXIF turns the photo; boxes taken to be on the turned one", annotation.photo)
        return corners, False
    sizes = f"{size[0]}x{size[1]}, photo {upright[0]}x{upright[1]}"
    if size == stored:
        problems.add("repaired", "size is that before EXIF turns the photo; boxes turned", sizes)
        return boxes.upright(corners, photo.orientation, *stored), False
    if _same_shape(size, upright) and (_fit(corners, size) or not _fit(corners, upright)):
        problems.add("repaired", "size is that of a scaled copy; boxes scaled", sizes)
        return corners * (np.array(upright * 2) / np.array(size * 2)), False
    problems.add("repaired", "size is not the photo's; boxes kept where they fit", sizes)
    return corners, True


def _fit(corners: np.ndarray, size: tuple[int, int]) -> bool:
    """Whether all boxes lie in a photo of that size, within the one pixel that annotators count differently."""
    return bool((corners >= -1).all() and (corners <= np.array(size * 2) + 1).all())


def _same_shape(size: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether one size is the other scaled, with both sides rounded to whole pixels."""
    small, large = sorted((size, other))
    return abs(small[1] * large[0] - large[1] * small[0]) <= (large[0] + large[1]) / 2
