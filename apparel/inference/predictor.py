"""Detections of a detector on photos or on a whole split, as tables in pixels of the photos."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import tensorflow as tf
from PIL import Image

from apparel import boxes
from apparel.data.index import Index
from apparel.models import inputs
from apparel.models.detector import Detections, Detector
from apparel.models.tfod.model import resizer

EVALUATION_BATCH_SIZE = 8
"""Photos a batch; training and eval use the same, since another size may change scores in their last bits."""

DETECTION_COLUMNS = ["class", "score", *boxes.CORNERS]


@dataclass(frozen=True)
class ScoredSplit:
    """A split with the detections of a detector.

    Attributes:
        photos: a photo table (filename, width, height) of all photos, sorted by filename.
        ground_truth: a label table with `difficult`, sorted by filename, class and corners.
        detections: filename, class, score (0 to 1), and corners in pixels of the photo; sorted by filename, the
            highest score first.
        loss: mean over batches of the total loss.
        seconds_per_photo: median over batches of the time that network, losses and postprocessing take.
    """

    photos: pd.DataFrame
    ground_truth: pd.DataFrame
    detections: pd.DataFrame
    loss: float
    seconds_per_photo: float


def detect(detector: Detector, photos: Sequence[Image.Image]) -> pd.DataFrame:
    """Detects garments on photos, one at a time.

    Args:
        detector: the model.
        photos: upright RGB, of any sizes.

    Returns:
        `photo` (position in `photos`), `class`, `score` (0 to 1), corners in pixels; the highest score first within a
        photo.
    """
    resize = resizer(detector.config)
    tables = []
    for number, photo in enumerate(photos):
        image, true_shape = resize(tf.constant(np.asarray(photo), tf.float32))
        detections = _as_numpy(detector.detect(image[tf.newaxis], true_shape[tf.newaxis]))
        tables.append(_detection_table(detections, 0, photo.size, detector.classes).assign(photo=number))
    columns = ["photo", *DETECTION_COLUMNS]
    types = {"photo": int} | dict.fromkeys(["score", *boxes.CORNERS], float)
    table = pd.concat([pd.DataFrame(columns=columns).astype(types), *tables])[columns]
    return table.sort_values(["photo", "score"], ascending=[True, False], kind="stable", ignore_index=True)


def detect_split(detector: Detector, index: Index, split: str) -> ScoredSplit:
    """Detects garments on every photo of a split, and measures the loss.

    Args:
        detector: the model, with the weights to measure.
        index: of the TFRecords.
        split: train, val or test.

    Raises:
        UserError: the TFRecords have other classes than the detector.
    """
    detector.check_classes(index)
    photos, ground_truth, detected, losses, seconds = [], [], [], [], []
    for batch in inputs.evaluation_batches(index, detector.config, split, EVALUATION_BATCH_SIZE):
        start = time.perf_counter()
        loss, detections = detector.evaluate(batch)
        losses.append(float(loss))
        seconds.append(time.perf_counter() - start)
        batch = {name: values.numpy() for name, values in batch.items() if name != "image"}
        detections = _as_numpy(detections)
        for row in np.flatnonzero(batch["real"]):
            filename, size = batch["filename"][row].decode(), (int(batch["width"][row]), int(batch["height"][row]))
            photos.append((filename, *size))
            ground_truth.append(_ground_truth_table(batch, row, filename, size, detector.classes))
            table = _detection_table(detections, row, size, detector.classes)
            detected.append(table.assign(filename=filename)[["filename", *DETECTION_COLUMNS]])
    by_score = {"by": ["filename", "score"], "ascending": [True, False], "kind": "stable"}
    return ScoredSplit(
        photos=pd.DataFrame(photos, columns=boxes.PHOTO_COLUMNS).sort_values("filename", ignore_index=True),
        ground_truth=pd.concat(ground_truth).sort_values(["filename", "class", *boxes.CORNERS], ignore_index=True),
        detections=pd.concat(detected).sort_values(**by_score, ignore_index=True),
        loss=float(np.mean(losses)),
        seconds_per_photo=float(np.median(seconds[1:] or seconds)) / EVALUATION_BATCH_SIZE,
    )


def _as_numpy(detections: Detections) -> Detections:
    return Detections(*(values.numpy() for values in detections))


def _detection_table(detections: Detections, row: int, size: tuple[int, int], classes: tuple[str, ...]) -> pd.DataFrame:
    """Detections on the photo in one row of a batch; `size` is its width and height in pixels."""
    count = int(detections.count[row])
    table = _corners(detections.boxes[row][:count], size)
    table["class"] = [classes[int(number)] for number in detections.classes[row][:count]]
    table["score"] = detections.scores[row][:count].astype(float)
    return table[DETECTION_COLUMNS]


def _ground_truth_table(
    batch: dict[str, np.ndarray], row: int, filename: str, size: tuple[int, int], classes: tuple[str, ...]
) -> pd.DataFrame:
    """Ground truth of the photo in one row of a batch; `size` is its width and height in pixels."""
    count = batch["count"][row]
    table = _corners(batch["boxes"][row][:count], size)
    names = [classes[number] for number in batch["classes"][row][:count].argmax(axis=1)]
    for column, values in zip(["filename", "width", "height", "class"], [filename, *size, names], strict=True):
        table[column] = values
    table["difficult"] = batch["difficult"][row][:count]
    return table[[*boxes.LABEL_COLUMNS, "difficult"]]


def _corners(normalised: np.ndarray, size: tuple[int, int]) -> pd.DataFrame:
    """Boxes (N, 4) ymin, xmin, ymax, xmax in 0..1 as a table of corners in pixels."""
    width, height = size
    ymin, xmin, ymax, xmax = normalised.astype(float).T
    return pd.DataFrame({"xmin": xmin * width, "ymin": ymin * height, "xmax": xmax * width, "ymax": ymax * height})
