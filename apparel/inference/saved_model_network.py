"""An exported SavedModel, run by TensorFlow through its signature."""

from pathlib import Path

import numpy as np
import tensorflow as tf

from apparel.errors import UserError, one_line
from apparel.inference import network_outputs
from apparel.inference.network import FixedInput
from apparel.models.detections import Detections
from apparel.models.export.saved_model import METADATA, OUTPUTS
from apparel.models.metadata import Metadata
from apparel.utils import limits

MAX_METADATA_BYTES = 10_000_000


class SavedModelNetwork(FixedInput):
    """A `Network` of a folder that `apparel.models.export.saved_model` wrote.

    The signature takes whole levels of 0 to 255, so resized photos are rounded, half a level at most; and it resizes
    photos of any size by itself, which those of `prepare` pass through unchanged.
    """

    runtime = "SavedModel"
    batch_size = 1

    def __init__(self, folder: Path):
        """Loads the folder.

        Raises:
            UserError: it is no SavedModel of this project, or damaged.
        """
        self._source, path = str(folder), folder / METADATA
        try:
            text = limits.read_bytes(path, MAX_METADATA_BYTES)
        except OSError:
            raise UserError(f"{folder} has no classes and thresholds in it: no export of this project") from None
        self.metadata = Metadata.from_json(text, str(path))
        try:
            self._model = tf.saved_model.load(str(folder))  # kept: the signature alone does not keep the weights
            self._signature = self._model.signatures["serving_default"]
        except (OSError, KeyError, ValueError, tf.errors.OpError) as error:
            raise UserError(f"{folder} is damaged, or no SavedModel: {one_line(error)}") from None

    def detect(self, images: np.ndarray) -> Detections:
        """As `Network.detect`, one photo at a time.

        Raises:
            UserError: the model gives other numbers than those of detections.
        """
        photos = []
        for image in np.rint(images).astype(np.uint8):
            outputs = self._signature(input_tensor=tf.constant(image[np.newaxis]))
            photos.append([outputs[name].numpy() for name in OUTPUTS])
        boxes, classes, scores, count = (np.concatenate(values) for values in zip(*photos, strict=True))
        is_detection = np.arange(classes.shape[1]) < count[:, np.newaxis]
        classes = np.where(is_detection, classes - 1, 0)
        return network_outputs.detections(boxes, classes, scores, count, self.metadata.classes, self._source)
