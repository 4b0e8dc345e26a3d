"""The trained model in TensorFlow, as training left it."""

from pathlib import Path

import numpy as np
import tensorflow as tf

from apparel.inference.network import FixedInput
from apparel.models.detections import Detections
from apparel.models.detector import Detector, load_detector
from apparel.models.metadata import Metadata
from apparel.models.tfod.model import resizer
from apparel.models.thresholds import FILE, Thresholds, default_thresholds, read_thresholds
from apparel.versioning import dvc_hash


class TensorFlowNetwork(FixedInput):
    """A `Network` of a detector in TensorFlow; batches of one size are traced once."""

    runtime = "TensorFlow"

    def __init__(self, detector: Detector, metadata: Metadata):
        self.detector, self.metadata = detector, metadata
        self.batch_size = None if detector.fixed_size else 1  # photos of several sizes make no batch

    def prepare(self, photo: np.ndarray) -> np.ndarray:
        """As `Network.prepare`; where the input's size depends on the photo, without the padding that batches need."""
        if self.detector.fixed_size:
            return super().prepare(photo)
        image, true_shape = resizer(self.detector.config)(tf.constant(photo, tf.float32))
        height, width, _ = true_shape.numpy()
        return image.numpy()[:height, :width]

    def detect(self, images: np.ndarray) -> Detections:
        """As `Network.detect`."""
        true_shapes = tf.tile(tf.constant([[*images.shape[1:]]], tf.int32), [len(images), 1])
        detections = self.detector.detect(tf.constant(images, tf.float32), true_shapes)
        return Detections(*(values.numpy() for values in detections))


def load_tensorflow_network(folder: Path) -> TensorFlowNetwork:
    """Loads a folder that `train` wrote.

    An older one has no thresholds: its network shows detections from a score of 0.5 on.

    Raises:
        UserError: a file is missing or damaged, or the weights or thresholds are not the model's.
    """
    detector = load_detector(folder)
    with_thresholds = (folder / FILE).exists()
    thresholds = read_thresholds(folder, detector.classes) if with_thresholds else default_thresholds(detector.classes)
    return of_detector(detector, thresholds, dvc_hash.path_hash(folder))


def of_detector(detector: Detector, thresholds: Thresholds | None = None, model: str = "unknown") -> TensorFlowNetwork:
    """The network of a detector in memory.

    Args:
        detector: the trained model.
        thresholds: None: 0.5 for every class.
        model: DVC's hash of its folder.
    """
    meta_architecture = detector.config.model.WhichOneof("model")
    name = getattr(detector.config.model, meta_architecture).feature_extractor.type or meta_architecture
    height, width = detector.fixed_size or 2 * (detector.resolution,)
    thresholds = thresholds or default_thresholds(detector.classes)
    return TensorFlowNetwork(detector, Metadata(name, detector.classes, thresholds, height, width, model))
