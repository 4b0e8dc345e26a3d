"""Detections of each view of an ensemble on every photo of a split of the TFRecords, fused as often as one likes."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import tensorflow as tf
from tqdm import tqdm

from apparel import boxes
from apparel.data import examples
from apparel.data.index import Index
from apparel.inference import detection_tables, fusion
from apparel.inference.ensemble import EnsembleNetwork
from apparel.inference.split_detections import EVALUATION_BATCH_SIZE, ScoredSplit
from apparel.models import inputs
from apparel.models.detections import Detections


@dataclass(frozen=True)
class SplitViews:
    """A split with the detections of V views.

    Attributes:
        photos: a photo table of the P photos, sorted by filename.
        ground_truth: a label table with `difficult`.
        classes: the networks', in order.
        views: of each view the detections on all photos (B = P), in the order of `photos`.
        seconds: seconds a photo that each view takes, medians over batches; the last is the fusion's.
    """

    photos: pd.DataFrame
    ground_truth: pd.DataFrame
    classes: tuple[str, ...]
    views: tuple[Detections, ...]
    seconds: tuple[float, ...]

    def fused(self, weights: Sequence[float], iou: float) -> ScoredSplit:
        """The split with the fused detections of all views, weighted in their order; the loss is nan."""
        return self._scored(fusion.fuse(self.views, weights, iou), range(len(self.views)))

    def single(self, view: int) -> ScoredSplit:
        """The split with the detections of one view as they are."""
        return self._scored(self.views[view], [view])

    def _scored(self, detections: Detections, views: Sequence[int]) -> ScoredSplit:
        seconds = sum(self.seconds[view] for view in views) + (len(views) > 1) * self.seconds[-1]
        table = detection_tables.to_table(self.photos, detections, self.classes)
        return ScoredSplit(self.photos, self.ground_truth, table, float("nan"), seconds)


def detect_split(network: EnsembleNetwork, index: Index, split: str) -> SplitViews:
    """Detects with each view on every photo of a split.

    Photos are decoded as for eval, and resized as for predictions, which is the same to within 1e-4 of 255 levels.

    Args:
        network: the ensemble.
        index: of the TFRecords.
        split: val or test.
    """
    records = tf.data.TFRecordDataset(inputs.record_files(index, split)).map(examples.parse_example)
    size = network.batch_size or EVALUATION_BATCH_SIZE
    photos, truth, batch = [], [], []
    detected: list[list[Detections]] = [[] for _ in network.views]
    seconds: list[list[float]] = [[] for _ in range(len(network.views) + 1)]
    with tqdm(total=index.splits[split].photos, desc=split, unit=" photos", disable=None) as progress:
        for example in records.as_numpy_iterator():
            photos.append((example["filename"].decode(), example["width"], example["height"]))
            truth.append(_ground_truth(example, index.classes))
            batch.append(network.prepare(tf.io.decode_image(example["image"], channels=3).numpy()))
            if len(batch) == size:
                _detect(network, batch, size, detected, seconds)
                batch = []
            progress.update()
        if batch:
            _detect(network, batch, size, detected, seconds)
    table = pd.DataFrame(photos, columns=boxes.PHOTO_COLUMNS).astype({"filename": "str"})
    order = np.argsort(table["filename"].to_numpy(), kind="stable")
    ground_truth = pd.concat(truth).sort_values(["filename", "class", *boxes.CORNERS], ignore_index=True)
    return SplitViews(
        photos=table.iloc[order].reset_index(drop=True),
        ground_truth=ground_truth.astype({"filename": "str", "class": "str"}),
        classes=index.classes,
        views=tuple(
            Detections(*(np.concatenate(parts)[order] for parts in zip(*view, strict=True))) for view in detected
        ),
        seconds=tuple(float(np.median(calls[1:] or calls)) / size for calls in seconds),
    )


def _detect(
    network: EnsembleNetwork,
    batch: list[np.ndarray],
    size: int,
    detected: list[list[Detections]],
    seconds: list[list[float]],
) -> None:
    """Adds the detections of each view on a batch, filled up to `size`, and the seconds of each and of the fusion."""
    images = np.stack(batch + [np.zeros_like(batch[0])] * (size - len(batch)))
    by_view = []
    for number, call in enumerate(network.calls(images)):
        start = time.perf_counter()
        by_view.append(call())
        seconds[number].append(time.perf_counter() - start)
        detected[number].append(Detections(*(values[: len(batch)] for values in by_view[-1])))
    start = time.perf_counter()
    network.fuse(by_view)
    seconds[-1].append(time.perf_counter() - start)


def _ground_truth(example: dict, classes: Sequence[str]) -> pd.DataFrame:
    width, height = int(example["width"]), int(example["height"])
    ymin, xmin, ymax, xmax = example["boxes"].astype(float).T
    return pd.DataFrame(
        {
            "filename": example["filename"].decode(),
            "width": width,
            "height": height,
            "class": [classes[number - 1] for number in example["classes"]],
            "xmin": xmin * width,
            "ymin": ymin * height,
            "xmax": xmax * width,
            "ymax": ymax * height,
            "difficult": example["difficult"],
        }
    )
