"""Anchors of an SSD: their shapes, and the IoU of boxes with the anchor that fits best."""

import numpy as np

from apparel.models.tfod.pipeline_file import PipelineConfig


def anchor_shapes(config: PipelineConfig) -> np.ndarray | None:
    """Width and height of each anchor as fractions of the photo's, `(A, 2)`, from 0, without repeats, sorted.

    The formula is that of the Object Detection API (`create_ssd_anchors` in multiple_grid_anchor_generator.py), after
    W. Liu et al., "SSD: Single Shot MultiBox Detector", 2016, section 2.2. None if the pipeline file has another kind
    of anchors.
    """
    any_generator = config.model.ssd.anchor_generator
    if any_generator.WhichOneof("anchor_generator_oneof") != "ssd_anchor_generator":
        return None
    generator = any_generator.ssd_anchor_generator
    scales = list(generator.scales) or np.linspace(generator.min_scale, generator.max_scale, generator.num_layers)
    interpolated_ratio, scales_and_ratios = generator.interpolated_scale_aspect_ratio, []
    for layer, (scale, next_scale) in enumerate(zip(scales, [*scales[1:], 1.0], strict=True)):
        if layer == 0 and generator.reduce_boxes_in_lowest_layer:
            scales_and_ratios += [(0.1, 1.0), (scale, 2.0), (scale, 0.5)]
        else:
            scales_and_ratios += [(scale, ratio) for ratio in generator.aspect_ratios]
            if interpolated_ratio > 0:
                scales_and_ratios.append((np.sqrt(scale * next_scale), interpolated_ratio))
    scale, ratio = np.array(scales_and_ratios).T
    base = [generator.base_anchor_width, generator.base_anchor_height]
    return np.unique(np.stack([scale * np.sqrt(ratio), scale / np.sqrt(ratio)], axis=1) * base, axis=0)


def matched_threshold(config: PipelineConfig) -> float:
    """IoU from which training matches an anchor to a box, 0 to 1; a box that none reaches gets its best anchor."""
    return config.model.ssd.matcher.argmax_matcher.matched_threshold


def best_iou(sizes: np.ndarray, anchors: np.ndarray) -> np.ndarray:
    """IoU of each box with the anchor of the best shape at the same centre, `(N,)` in 0..1.

    Args:
        sizes: widths and heights of boxes, `(N, 2)`, as fractions of the photo's: photos are resized to one shape.
        anchors: from `anchor_shapes`, `(A, 2)`.
    """
    intersection = np.minimum(sizes[:, None, :], anchors[None, :, :]).prod(axis=2)
    union = sizes.prod(axis=1)[:, None] + anchors.prod(axis=1)[None, :] - intersection
    return (intersection / union).max(axis=1, initial=0.0)
