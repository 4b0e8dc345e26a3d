"""Trained detector in TensorFlow with another input size than it was trained for.

Its layers take any size, and see a garment larger in a larger input. Its anchors have to stay what they were in pixels,
since the boxes are learned as factors of them: those of an SSD, which are shares of the input, are made smaller.
"""

from pathlib import Path

import tensorflow as tf

from apparel.errors import UserError
from apparel.inference.tensorflow_network import TensorFlowNetwork, load_tensorflow_network, of_detector
from apparel.models import fitted_anchors, pyramid_places
from apparel.models.detector import Detector, restore_checkpoint
from apparel.models.tfod import pipeline_file
from apparel.models.tfod.pipeline_file import PipelineConfig


def load(folder: Path, resolution: int) -> TensorFlowNetwork:
    """Loads a folder that `train` wrote, for an input of `resolution` x `resolution` pixels.

    Raises:
        UserError: it holds no trained model of one input size, or cannot be built at this one.
    """
    if not (folder / "pipeline.config").is_file() or (folder / "saved_model.pb").exists():
        raise UserError(f"{folder}: only a trained model takes another resolution, no export of one")
    trained = load_tensorflow_network(folder)
    config = pipeline_file.read(folder / "pipeline.config")
    resizer = getattr(config.model, config.model.WhichOneof("model")).image_resizer
    if not resizer.HasField("fixed_shape_resizer"):
        raise UserError(f"{folder}: its input has no one size, so it takes no other resolution")
    _scale_anchors(config, trained.detector.resolution / resolution)
    fitted_anchors.move_places(config, trained.detector.resolution, resolution)
    pyramid_places.set_places(config, [resolution])
    resizer.fixed_shape_resizer.height = resizer.fixed_shape_resizer.width = resolution
    detector = Detector(config, trained.detector.classes)
    restore_checkpoint(tf.train.Checkpoint(model=detector.model), folder)
    return of_detector(detector, trained.metadata.thresholds, trained.metadata.model)


def _scale_anchors(config: PipelineConfig, factor: float) -> None:
    """Scales the anchors that are shares of the input; those of other generators are in pixels."""
    if config.model.WhichOneof("model") != "ssd":
        return
    if config.model.ssd.anchor_generator.HasField("ssd_anchor_generator"):
        generator = config.model.ssd.anchor_generator.ssd_anchor_generator
        generator.base_anchor_height *= factor
        generator.base_anchor_width *= factor
