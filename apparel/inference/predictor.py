"""Detections of a network on photos, as tables in pixels of the photos; nothing here imports TensorFlow."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Union

import numpy as np
import pandas as pd
from PIL import Image

from apparel import boxes
from apparel.inference.network import Network
from apparel.models.detections import Detections

if TYPE_CHECKING:
    from apparel.models.detector import Detector

DETECTION_COLUMNS = ["class", "score", *boxes.CORNERS]


def detect(network: Union[Network, "Detector"], photos: Sequence[Image.Image]) -> pd.DataFrame:
    """Detects garments on photos, one at a time.

    Args:
        network: the trained detector; a `Detector`, as MLflow's models of former days pass it, runs in TensorFlow.
        photos: upright RGB, of any sizes.

    Returns:
        `photo` (position in `photos`), `class`, `score` (0 to 1), corners in pixels; the highest score first within a
        photo.
    """
    if not hasattr(network, "metadata"):
        from apparel.inference.tensorflow_network import of_detector

        network = of_detector(network)
    tables = []
    for number, photo in enumerate(photos):
        detections = network.detect(network.prepare(np.asarray(photo))[np.newaxis])
        tables.append(detection_table(detections, 0, photo.size, network.metadata.classes).assign(photo=number))
    columns = ["photo", *DETECTION_COLUMNS]
    types = {"photo": int} | dict.fromkeys(["score", *boxes.CORNERS], float)
    table = pd.concat([pd.DataFrame(columns=columns).astype(types), *tables])[columns]
    return table.sort_values(["photo", "score"], ascending=[True, False], kind="stable", ignore_index=True)


def detection_table(detections: Detections, row: int, size: tuple[int, int], classes: Sequence[str]) -> pd.DataFrame:
    """Detections on the photo in one row of a batch, NumPy arrays, as a table of DETECTION_COLUMNS.

    Args:
        detections: of the batch.
        row: position of the photo in it.
        size: width and height of the photo in pixels.
        classes: the detector's.
    """
    count = int(detections.count[row])
    table = corners(detections.boxes[row][:count], size)
    table["class"] = [classes[int(number)] for number in detections.classes[row][:count]]
    table["score"] = detections.scores[row][:count].astype(float)
    return table[DETECTION_COLUMNS]


def corners(normalised: np.ndarray, size: tuple[int, int]) -> pd.DataFrame:
    """Boxes (N, 4) ymin, xmin, ymax, xmax in 0..1 as a table of corners in pixels of a photo of this width, height."""
    width, height = size
    ymin, xmin, ymax, xmax = normalised.astype(float).T
    return pd.DataFrame({"xmin": xmin * width, "ymin": ymin * height, "xmax": xmax * width, "ymax": ymax * height})
