"""Calibration photos for integer weights and activations: training photos, always the same ones."""

from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from apparel.data import examples
from apparel.data.index import Index
from apparel.models import inputs
from apparel.models.tfod.model import resizer
from apparel.models.tfod.pipeline_file import PipelineConfig

PHOTOS = 200
"""Photos to calibrate by; TensorFlow's guide to post-training quantization has 100 to 500."""


def photos(index: Index, config: PipelineConfig, count: int = PHOTOS) -> Iterator[np.ndarray]:
    """Evenly spaced photos of the split train as the network takes them, float32 (1, H, W, 3), 0 to 255."""
    resize = resizer(config)
    records = tf.data.TFRecordDataset(inputs.record_files(index, "train"))
    total = index.splits["train"].photos
    chosen = set(np.linspace(0, total - 1, min(count, total)).round().astype(int).tolist())
    for number, record in enumerate(records):
        if number in chosen:
            image, _ = resize(inputs.decode(examples.parse_example(record)["image"]))
            yield image.numpy()[np.newaxis]
