"""Which detectors can be exported to which format, told from the pipeline file alone."""

from collections.abc import Callable, Iterable

import numpy as np

from apparel.errors import UserError
from apparel.models.tfod.pipeline_file import PipelineConfig

Photos = Callable[[], Iterable[np.ndarray]]
"""Photos to calibrate integers by, made when they are needed: float32 (1, H, W, 3), 0 to 255, of the network's size."""

ANY_DETECTOR = ("saved_model",)
"""Formats that hold whatever the Object Detection API builds; the others hold an SSD."""


def check_format(config: PipelineConfig, format: str) -> None:
    """Raises a `UserError` when the pipeline file's detector cannot be exported to a format; says why."""
    if format in ANY_DETECTOR:
        return
    model = config.model.WhichOneof("model")
    if model != "ssd":
        raise UserError(f"{format} holds an SSD, and the pipeline file has {model}; use saved_model")
    resizer = config.model.ssd.image_resizer.WhichOneof("image_resizer_oneof")
    if resizer != "fixed_shape_resizer":
        raise UserError(f"{format} needs a fixed_shape_resizer, and the pipeline file has {resizer}; use saved_model")
    if config.model.ssd.box_coder.WhichOneof("box_coder_oneof") != "faster_rcnn_box_coder":
        raise UserError(f"{format} needs the pipeline file's faster_rcnn_box_coder; use saved_model")
    if config.model.ssd.post_processing.HasField("calibration_config"):
        raise UserError(f"{format} has no calibration of scores, as the pipeline file has; use saved_model")
    suppression = config.model.ssd.post_processing.batch_non_max_suppression
    if suppression.use_class_agnostic_nms or suppression.use_combined_nms or suppression.use_static_shapes:
        raise UserError(f"{format} suppresses overlapping boxes by class, the pipeline file otherwise; use saved_model")
    if suppression.max_detections_per_class < suppression.max_total_detections:
        raise UserError(
            f"{format} has no limit of detections by class: set the pipeline file's max_detections_per_class to its "
            f"max_total_detections, {suppression.max_total_detections}, or use saved_model"
        )


def input_size(config: PipelineConfig) -> tuple[int, int]:
    """Height and width of the input of a detector that `check_format` let pass, pixels."""
    resizer = config.model.ssd.image_resizer.fixed_shape_resizer
    return resizer.height, resizer.width
