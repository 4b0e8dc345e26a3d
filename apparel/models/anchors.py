"""Anchors of an SSD: their shapes, and the IoU of boxes with the anchor that fits best."""

import numpy as np
from google.protobuf.message import Message

from apparel.models.tfod.pipeline_file import PipelineConfig


def anchor_shapes(config: PipelineConfig, resolution: int) -> np.ndarray | None:
    """Width and height of each anchor as fractions of the network's input, `(A, 2)`, from 0, without repeats, sorted.

    The formulas are those of the Object Detection API: `create_ssd_anchors` in multiple_grid_anchor_generator.py, after
    W. Liu et al., "SSD: Single Shot MultiBox Detector", 2016, section 2.2, multiscale_grid_anchor_generator.py and
    flexible_grid_anchor_generator.py. None if the pipeline file has another kind of anchors.

    Args:
        config: a pipeline file.
        resolution: pixels, width and height of the network's input.
    """
    any_generator = config.model.ssd.anchor_generator
    kind = any_generator.WhichOneof("anchor_generator_oneof")
    if kind == "ssd_anchor_generator":
        generator = any_generator.ssd_anchor_generator
        base = np.array([generator.base_anchor_width, generator.base_anchor_height])
        scales_and_ratios = _ssd_anchors(generator)
    elif kind == "multiscale_anchor_generator":
        base, scales_and_ratios = (
            np.full(2, 1 / resolution),
            _multiscale_anchors(any_generator.multiscale_anchor_generator),
        )
    elif kind == "flexible_grid_anchor_generator":
        grids = any_generator.flexible_grid_anchor_generator.anchor_grid
        pairs = [zip(grid.base_sizes, grid.aspect_ratios, strict=True) for grid in grids]
        base, scales_and_ratios = np.full(2, 1 / resolution), [pair for grid in pairs for pair in grid]
    else:
        return None
    scale, ratio = np.array(scales_and_ratios).T
    return np.unique(np.stack([scale * np.sqrt(ratio), scale / np.sqrt(ratio)], axis=1) * base, axis=0)


def _ssd_anchors(generator: Message) -> list[tuple[float, float]]:
    """Scales, as fractions of the input, and aspect ratios."""
    scales = list(generator.scales) or np.linspace(generator.min_scale, generator.max_scale, generator.num_layers)
    interpolated_ratio, scales_and_ratios = generator.interpolated_scale_aspect_ratio, []
    for layer, (scale, next_scale) in enumerate(zip(scales, [*scales[1:], 1.0], strict=True)):
        if layer == 0 and generator.reduce_boxes_in_lowest_layer:
            scales_and_ratios += [(0.1, 1.0), (scale, 2.0), (scale, 0.5)]
        else:
            scales_and_ratios += [(scale, ratio) for ratio in generator.aspect_ratios]
            if interpolated_ratio > 0:
                scales_and_ratios.append((np.sqrt(scale * next_scale), interpolated_ratio))
    return scales_and_ratios


def _multiscale_anchors(generator: Message) -> list[tuple[float, float]]:
    """Scales in pixels, and aspect ratios."""
    levels = range(generator.min_level, generator.max_level + 1)
    octaves = [2 ** (number / generator.scales_per_octave) for number in range(generator.scales_per_octave)]
    scales = [2**level * generator.anchor_scale * octave for level in levels for octave in octaves]
    return [(scale, ratio) for scale in scales for ratio in generator.aspect_ratios]


def matched_threshold(config: PipelineConfig) -> float:
    """IoU from which training matches an anchor to a box, 0 to 1; a box that none reaches gets its best anchor."""
    return config.model.ssd.matcher.argmax_matcher.matched_threshold


def best_iou(sizes: np.ndarray, anchors: np.ndarray) -> np.ndarray:
    """IoU of each box with the anchor of the best shape at the same centre, `(N,)` in 0..1.

    Args:
        sizes: widths and heights of boxes, `(N, 2)`, as fractions of the photo's: photos are resized to one shape.
        anchors: from `anchor_shapes`, `(A, 2)`.
    """
    return centred_iou(sizes, anchors).max(axis=1, initial=0.0)


def centred_iou(sizes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """IoU of boxes at the same centre, from widths and heights: `(N, 2)`, `(M, 2)` -> `(N, M)` in 0..1."""
    intersection = np.minimum(sizes[:, None, :], others[None, :, :]).prod(axis=2)
    return intersection / (sizes.prod(axis=1)[:, None] + others.prod(axis=1)[None, :] - intersection)
