"""Checks of what an exported network gives: whoever made the file decides on its outputs, and on its numbers."""

import numpy as np

from apparel.errors import UserError
from apparel.models.detections import Detections


def detections(
    boxes: np.ndarray, classes: np.ndarray, scores: np.ndarray, count: np.ndarray, names: tuple[str, ...], source: str
) -> Detections:
    """Detections of numbers that nobody has looked at yet.

    Args:
        boxes: (B, D, 4) ymin, xmin, ymax, xmax in 0..1.
        classes: (B, D), positions in `names`.
        scores: (B, D), 0 to 1.
        count: (B,), detections of each photo that are none of padding.
        names: of the classes.
        source: the file, for errors.

    Raises:
        UserError: the shapes do not fit, or a number is none or outside of its range; names it.
    """
    photos, most = scores.shape if scores.ndim == 2 else (-1, -1)
    if (boxes.shape, classes.shape, count.shape) != ((photos, most, 4), (photos, most), (photos,)):
        shapes = ", ".join(str(values.shape) for values in (boxes, classes, scores, count))
        raise UserError(f"{source} gives boxes, classes, scores and numbers of detections of the shapes {shapes}")
    _refuse(source, "numbers of detections", count, 0, most, whole=True)
    is_detection = np.arange(most) < count[:, np.newaxis]
    _refuse(source, "scores", scores[is_detection], 0, 1)
    _refuse(source, "classes", classes[is_detection], 0, len(names) - 1, whole=True)
    _refuse(source, "corners", boxes[is_detection], 0, 1)
    return Detections(*(values.astype(np.float32, copy=False) for values in (boxes, classes, scores, count)))


ROUNDING = 1e-5
"""How far a score or a corner may lie outside of its range: what the rounding of float32 adds up to."""


def _refuse(source: str, what: str, values: np.ndarray, lowest: float, highest: float, whole: bool = False) -> None:
    """Raises a `UserError` for the first value that is outside of the range, no number, or broken though `whole`."""
    with np.errstate(invalid="ignore"):
        is_valid = (values >= lowest - ROUNDING) & (values <= highest + ROUNDING)
        if whole:
            is_valid &= values == np.rint(values)
    if not is_valid.all():
        kind = "whole numbers" if whole else "numbers"
        raise UserError(
            f"{source} gives {what} that are no {kind} from {lowest} to {highest}, such as {values[~is_valid][0]}; "
            "write it again with `apparel export`"
        )
