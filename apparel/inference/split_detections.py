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
from apparel.inference.predictor import DETECTION_COLUMNS
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


def detect_split(detector: Detector, index: Index, split: str, with_loss: bool = True) -> ScoredSplit:
    """Detects garments on every photo of a split, and measures the loss.

    Args:
        detector: the model, with the weights to measure.
        index: of the TFRecords.
        split: train, val or test.
        with_loss: False leaves the loss out, as nan: assigning targets takes as long as all that follows the network.

    Raises:
        UserError: the TFRecords have other classes than the detector.
    """
    detector.check_classes(index)

    def evaluate(batch: inputs.Batch) -> tuple[float, Detections]:
        if with_loss:
            loss, detections = detector.evaluate(batch)
        else:
            loss, detections = float("nan"), detector.detect(batch["image"], batch["true_shape"])
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
        real = np.flatnonzero(batch["real"])
        photos.append(
            {"filename": _filenames(batch, real), "width": batch["width"][real], "height": batch["height"][real]}
        )
        ground_truth.append(_ground_truth_columns(batch, classes))
        detected.append(_detection_columns(batch, detections, classes))
    by_score = {"by": ["filename", "score"], "ascending": [True, False], "kind": "stable"}
    by_corners = {"by": ["filename", "class", *boxes.CORNERS]}
    return ScoredSplit(
        photos=_table(photos, boxes.PHOTO_COLUMNS).sort_values("filename", ignore_index=True),
        ground_truth=_table(ground_truth, [*boxes.LABEL_COLUMNS, "difficult"]).sort_values(
            **by_corners, ignore_index=True
        ),
        detections=_table(detected, ["filename", *DETECTION_COLUMNS]).sort_values(**by_score, ignore_index=True),
        loss=float(np.mean(losses)),
        seconds_per_photo=float(np.median(seconds[1:] or seconds)) / batch_size,
    )


Columns = dict[str, np.ndarray]
"""Columns of a table by name, of the photos of one batch; a table a photo would take longer than the network."""


def _ground_truth_columns(batch: dict[str, np.ndarray], classes: tuple[str, ...]) -> Columns:
    rows, positions = _filled_positions(batch, batch["count"], batch["boxes"].shape[1])
    return {
        "filename": _filenames(batch, rows),
        "width": batch["width"][rows],
        "height": batch["height"][rows],
        "class": _class_names(batch["classes"][rows, positions].argmax(axis=1), classes),
        **_corners(batch, batch["boxes"], rows, positions),
        "difficult": batch["difficult"][rows, positions],
    }


def _detection_columns(batch: dict[str, np.ndarray], detections: Detections, classes: tuple[str, ...]) -> Columns:
    rows, positions = _filled_positions(batch, detections.count, detections.boxes.shape[1])
    return {
        "filename": _filenames(batch, rows),
        "class": _class_names(detections.classes[rows, positions].astype(int), classes),
        "score": detections.scores[rows, positions].astype(float),
        **_corners(batch, detections.boxes, rows, positions),
    }


def _filled_positions(batch: dict[str, np.ndarray], counts: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Row in the batch and position among its `most` boxes of each box that is no padding, of photos that are real."""
    return np.nonzero((np.arange(most) < counts[:, np.newaxis]) & batch["real"][:, np.newaxis])


def _filenames(batch: dict[str, np.ndarray], rows: np.ndarray) -> np.ndarray:
    names = np.array([name.decode() for name in batch["filename"]], dtype=object)
    return names[rows]


def _class_names(numbers: np.ndarray, classes: tuple[str, ...]) -> np.ndarray:
    return np.array(classes, dtype=object)[numbers]


def _corners(batch: dict[str, np.ndarray], normalised: np.ndarray, rows: np.ndarray, positions: np.ndarray) -> Columns:
    """Corners in pixels of the photos from boxes (B, N, 4) ymin, xmin, ymax, xmax in 0..1."""
    width, height = batch["width"][rows], batch["height"][rows]
    ymin, xmin, ymax, xmax = normalised[rows, positions].astype(float).T
    return {"xmin": xmin * width, "ymin": ymin * height, "xmax": xmax * width, "ymax": ymax * height}


def _table(parts: list[Columns], columns: list[str]) -> pd.DataFrame:
    texts = {"filename": "str", "class": "str"}
    table = pd.DataFrame({name: np.concatenate([part[name] for part in parts]) for name in columns})
    return table.astype({name: kind for name, kind in texts.items() if name in columns})
