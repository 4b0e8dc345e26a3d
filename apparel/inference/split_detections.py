"""Detections of a detector on every photo of a split of the TFRecords, with the ground truth beside them."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import tensorflow as tf

from apparel import boxes
from apparel.data.index import Index
from apparel.inference.network import Network
from apparel.inference.predictor import DETECTION_COLUMNS, corners, detection_table
from apparel.models import inputs
from apparel.models.detections import Detections
from apparel.models.detector import Detector

EVALUATION_BATCH_SIZE = 8
"""Photos a batch; training and eval use the same, since another size may change scores in their last bits."""


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

    def evaluate(batch: inputs.Batch) -> tuple[float, Detections]:
        loss, detections = detector.evaluate(batch)
        return float(loss), Detections(*(values.numpy() for values in detections))

    batches = inputs.evaluation_batches(index, detector.config, split, EVALUATION_BATCH_SIZE)
    return _scored(batches, evaluate, EVALUATION_BATCH_SIZE, detector.classes)


def detect_split_with(network: Network, detector: Detector, index: Index, split: str) -> ScoredSplit:
    """Detects garments on every photo of a split with a network made from a detector; the loss is nan.

    The photos are decoded and resized as for `detect_split`, so what differs is the network's alone.

    Args:
        network: the detector on another runtime.
        detector: the trained model, for the size of its input.
        index: of the TFRecords.
        split: train, val or test.

    Raises:
        UserError: the TFRecords have other classes than the detector.
    """
    detector.check_classes(index)
    batch_size = network.batch_size or EVALUATION_BATCH_SIZE

    def evaluate(batch: inputs.Batch) -> tuple[float, Detections]:
        return float("nan"), network.detect(batch["image"].numpy())

    batches = inputs.evaluation_batches(index, detector.config, split, batch_size)
    return _scored(batches, evaluate, batch_size, network.metadata.classes)


def _scored(
    batches: tf.data.Dataset,
    evaluate: Callable[[inputs.Batch], tuple[float, Detections]],
    batch_size: int,
    classes: tuple[str, ...],
) -> ScoredSplit:
    photos, ground_truth, detected, losses, seconds = [], [], [], [], []
    for batch in batches:
        start = time.perf_counter()
        loss, detections = evaluate(batch)
        losses.append(loss)
        seconds.append(time.perf_counter() - start)
        batch = {name: values.numpy() for name, values in batch.items() if name != "image"}
        for row in np.flatnonzero(batch["real"]):
            filename, size = batch["filename"][row].decode(), (int(batch["width"][row]), int(batch["height"][row]))
            photos.append((filename, *size))
            ground_truth.append(_ground_truth_table(batch, row, filename, size, classes))
            table = detection_table(detections, row, size, classes)
            detected.append(table.assign(filename=filename)[["filename", *DETECTION_COLUMNS]])
    by_score = {"by": ["filename", "score"], "ascending": [True, False], "kind": "stable"}
    return ScoredSplit(
        photos=pd.DataFrame(photos, columns=boxes.PHOTO_COLUMNS).sort_values("filename", ignore_index=True),
        ground_truth=pd.concat(ground_truth).sort_values(["filename", "class", *boxes.CORNERS], ignore_index=True),
        detections=pd.concat(detected).sort_values(**by_score, ignore_index=True),
        loss=float(np.mean(losses)),
        seconds_per_photo=float(np.median(seconds[1:] or seconds)) / batch_size,
    )


def _ground_truth_table(
    batch: dict[str, np.ndarray], row: int, filename: str, size: tuple[int, int], classes: tuple[str, ...]
) -> pd.DataFrame:
    """Ground truth of the photo in one row of a batch; `size` is its width and height in pixels."""
    count = batch["count"][row]
    table = corners(batch["boxes"][row][:count], size)
    names = [classes[number] for number in batch["classes"][row][:count].argmax(axis=1)]
    for column, values in zip(["filename", "width", "height", "class"], [filename, *size, names], strict=True):
        table[column] = values
    table["difficult"] = batch["difficult"][row][:count]
    return table[[*boxes.LABEL_COLUMNS, "difficult"]]
