"""Boxes of an annotation placed on its photo as a viewer shows it: turned, scaled and cut where that is needed."""

from collections import Counter
from dataclasses import replace

import numpy as np

from apparel import boxes
from apparel.annotations.frames import Frame
from apparel.annotations.problems import Problems
from apparel.annotations.records import SHARES, Annotation, Box
from apparel.images import Header


def place_boxes(annotation: Annotation, photo: Header, frame: Frame, problems: Problems) -> list[Box]:
    """Converts an annotation's boxes to pixels of the upright photo, and clips them at its edges.

    `frame` is the image that the boxes lie in: they are scaled from its size to the photo's, and turned as EXIF turns
    the photo if it is the photo as stored. Boxes that are not of this image are dropped; all of them, if it could not
    be decided.
    Corners are rounded to a thousandth of a pixel, which no annotator resolves, so that every machine writes the same.

    Returns:
        Boxes of at least a pixel on each side, in pixels of the upright photo.
    """
    if not annotation.boxes:
        return []
    if frame.undecided:
        problems.add("dropped", frame.undecided, _sizes(annotation, photo), len(annotation.boxes))
        return []
    annotated = np.array([box.corners for box in annotation.boxes], dtype=np.float64).reshape(-1, 4)
    outside = ((annotated < -frame.reach) | (annotated > np.array(frame.size * 2) + frame.reach)).any(axis=1)
    moved = np.round(_to_upright_photo(annotated, annotation, photo, frame, problems), 3)
    _note_repeated(annotation, problems)
    kept = []
    cuts = boxes.clip(moved, photo.upright_width, photo.upright_height)
    for box, whole, cut, is_outside in zip(annotation.boxes, moved, cuts, outside, strict=True):
        if is_outside:
            problems.add("dropped", "box reaches too far beyond the photo", box)
        elif (whole[2:] - whole[:2] < 1).any():
            problems.add("dropped", "box is smaller than a pixel", box)
        elif (cut[2:] - cut[:2] < 1).any():
            problems.add("dropped", "box lies outside the photo", box)
        else:
            kept.append(replace(box, corners=tuple(cut.tolist())))
            if (whole != cut).any():
                problems.add("repaired", "box cut at the photo's edge", box)
    return kept


def _note_repeated(annotation: Annotation, problems: Problems) -> None:
    for box, count in Counter(replace(box, difficult=False) for box in annotation.boxes).items():
        if count > 1:
            problems.add("noted", "the same box is there more than once", f"{box}, {count} times")


def _to_upright_photo(
    corners: np.ndarray, annotation: Annotation, photo: Header, frame: Frame, problems: Problems
) -> np.ndarray:
    """Boxes `(N, 4)` in pixels of the upright photo."""
    stored, upright = (photo.width, photo.height), (photo.upright_width, photo.upright_height)
    image = stored if frame.stored else upright
    if frame.size != image:
        if frame.size != SHARES:
            problems.add("repaired", "size is that of a scaled copy; boxes scaled", _sizes(annotation, photo))
        corners = corners * (np.array(image * 2) / np.array(frame.size * 2))
    elif annotation.size not in (None, stored, upright):
        problems.add("repaired", "size is not the photo's; boxes are in its own pixels", _sizes(annotation, photo))
    if not frame.stored:
        return corners
    problems.add("repaired", "boxes were drawn before EXIF turned the photo; turned with it", _sizes(annotation, photo))
    return boxes.upright(corners, photo.orientation, *stored)


def _sizes(annotation: Annotation, photo: Header) -> str:
    size = f"{annotation.size[0]}x{annotation.size[1]}" if annotation.size else "no size"
    turned = f", EXIF {photo.orientation}" if photo.orientation != 1 else ""
    return f"{size}, photo {photo.upright_width}x{photo.upright_height}{turned}"
