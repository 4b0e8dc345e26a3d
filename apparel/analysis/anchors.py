"""The shapes of an SSD's anchors, and how well they fit boxes."""

import numpy as np

from apparel.models.tfod.pipeline_file import PipelineConfig


def shapes(config: PipelineConfig) -> np.ndarray | None:
    """Width and height of each anchor as shares of the photo's, `(A, 2)` in 0..., without repeats, sorted.

    As the Object Detection API lays them out (`create_ssd_anchors` in its multiple_grid_anchor_generator.py), which
    follows W. Liu et al., "SSD: Single Shot MultiBox Detector", 2016, section 2.2. None where the pipeline file asks
    for anchors of another kind.
    """
    chosen = config.model.ssd.anchor_generator
    if chosen.WhichOneof("anchor_generator_oneof") != "ssd_anchor_generator":
        return None
    generator = chosen.ssd_anchor_generator
    scales = list(generator.scales) or np.linspace(generator.min_scale, generator.max_scale, generator.num_layers)
    between, found = generator.interpolated_scale_aspect_ratio, []
    for layer, (scale, following) in enumerate(zip(scales, [*scales[1:], 1.0], strict=True)):
        if layer == 0 and generator.reduce_boxes_in_lowest_layer:
            found += [(0.1, 1.0), (scale, 2.0), (scale, 0.5)]
        else:
            found += [(scale, ratio) for ratio in generator.aspect_ratios]
            found += [(np.sqrt(scale * following), between)] if between > 0 else []
    scale, ratio = np.array(found).T
    base = [generator.base_anchor_width, generator.base_anchor_height]
    return np.unique(np.stack([scale * np.sqrt(ratio), scale / np.sqrt(ratio)], axis=1) * base, axis=0)


def matched_threshold(config: PipelineConfig) -> float:
    """IoU from which training takes an anchor for a box, 0 to 1; a box that reaches it with none gets its best one."""
    return config.model.ssd.matcher.argmax_matcher.matched_threshold


def best_iou(sizes: np.ndarray, anchors: np.ndarray) -> np.ndarray:
    """The IoU of each box, `(N,)` in 0..1, with the anchor whose shape fits best, were their centres the same.

    Args:
        sizes: widths and heights of boxes, `(N, 2)`, as shares of the photo's: photos are resized to one shape.
        anchors: from `shapes`.
    """
    shared = np.minimum(sizes[:, None, :], anchors[None, :, :]).prod(axis=2)
    union = sizes.prod(axis=1)[:, None] + anchors.prod(axis=1)[None, :] - shared
    return (shared / union).max(axis=1, initial=0.0)
