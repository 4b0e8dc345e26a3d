"""Anchors fitted to the boxes of train by k-means with 1 - IoU as the distance (Redmon and Farhadi 2016, YOLO9000,
arXiv 1612.08242, section 2), written into the merged pipeline file."""

import math
from typing import NamedTuple

import numpy as np

from apparel.errors import UserError
from apparel.models import anchors
from apparel.models.pyramid_places import first_places
from apparel.models.tfod.pipeline_file import PipelineConfig

MOST_BOXES = 20_000
"""Boxes that are looked at, drawn by the seed where there are more; some 30 shapes do not change for more."""

DIGITS = 5
"""Of sizes as fractions of the network's input: boxes that are equal in pixels differ by some 1e-7 in float32."""

MOST_ROUNDS = 200
"""Rounds of k-means, which ends long before."""

FIRST_STRIDE = 16
"""Pixels between the places of an SSD's first feature map; each further map has twice as many."""

STRIDE_16 = ("ssd_mobilenet", "ssd_efficientnet_lite")
"""Start of the names of feature extractors with such maps."""


class Layer(NamedTuple):
    """A feature map: pixels between its places, and anchors at each."""

    stride: int
    anchors: int


def anchor_layers(config: PipelineConfig, resolution: int) -> list[Layer]:
    """The feature maps of a pipeline file's SSD, the finest first, at a resolution in pixels.

    Raises:
        UserError: its anchors cannot be replaced by fitted ones.
    """
    if not config.model.HasField("ssd"):
        raise UserError(
            f"train.anchors is 'fitted': it is for an SSD, not for {config.model.WhichOneof('model')}; set null"
        )
    any_generator = config.model.ssd.anchor_generator
    kind = any_generator.WhichOneof("anchor_generator_oneof")
    if kind == "multiscale_anchor_generator":
        pyramid = any_generator.multiscale_anchor_generator
        number = len(pyramid.aspect_ratios) * pyramid.scales_per_octave
        return [Layer(2**level, number) for level in range(pyramid.min_level, pyramid.max_level + 1)]
    extractor = config.model.ssd.feature_extractor.type
    if kind != "ssd_anchor_generator" or not extractor.startswith(STRIDE_16):
        raise UserError(
            f"train.anchors is 'fitted': it replaces neither {kind} nor the anchors of {extractor}; set null"
        )
    generator = any_generator.ssd_anchor_generator
    number = len(generator.aspect_ratios) + (generator.interpolated_scale_aspect_ratio > 0)
    layers = [Layer(_ssd_stride(layer, resolution), number) for layer in range(generator.num_layers)]
    return [Layer(layers[0].stride, 3), *layers[1:]] if generator.reduce_boxes_in_lowest_layer else layers


def _ssd_stride(layer: int, resolution: int) -> int:
    """Pixels between the places of an SSD's feature map, whole numbers as the pipeline file has them."""
    return round(resolution / math.ceil(resolution / (FIRST_STRIDE * 2**layer)))


def move_places(config: PipelineConfig, before: int, after: int) -> None:
    """Moves listed anchors as the places of the feature maps do between two resolutions; sizes stay, in pixels.

    A pyramid's places are as many pixels apart at any resolution, but the first of a map may be another.
    """
    ssd = config.model.ssd
    if not ssd.anchor_generator.HasField("flexible_grid_anchor_generator"):
        return
    is_pyramid = any(ssd.feature_extractor.HasField(name) for name in ("fpn", "bifpn"))
    for layer, grid in enumerate(ssd.anchor_generator.flexible_grid_anchor_generator.anchor_grid):
        if is_pyramid:
            level, multiple = grid.height_stride.bit_length() - 1, ssd.feature_extractor.pad_to_multiple
            first, then = (first_places(resolution, multiple, level)[-1] for resolution in (before, after))
            grid.height_offset += int(then - first)
            grid.width_offset += int(then - first)
        else:
            grid.height_stride = grid.width_stride = _ssd_stride(layer, after)
            grid.height_offset = grid.width_offset = grid.height_stride // 2


def fit_anchors(config: PipelineConfig, resolution: int, sizes: np.ndarray, seed: int) -> None:
    """Replaces the anchors of a merged pipeline file by as many that fit boxes: small ones on the finest feature map.

    Each feature map keeps its number of anchors, so that the heads keep their shape.

    Args:
        config: is changed.
        resolution: pixels, width and height of the network's input.
        sizes: widths and heights of train's boxes, `(N, 2)`, as fractions of the network's input.
        seed: of the first shapes.

    Raises:
        UserError: the boxes have fewer sizes than there are anchors.
    """
    layers = anchor_layers(config, resolution)
    shapes = fit_shapes(sizes, sum(layer.anchors for layer in layers), seed)
    generator = config.model.ssd.anchor_generator.flexible_grid_anchor_generator
    generator.SetInParent()
    for layer, border in zip(layers, np.cumsum([layer.anchors for layer in layers]), strict=True):
        width, height = shapes[border - layer.anchors : border].T * resolution
        generator.anchor_grid.add(
            base_sizes=np.sqrt(width * height).round(2).tolist(),
            aspect_ratios=(width / height).round(4).tolist(),
            height_stride=layer.stride,
            width_stride=layer.stride,
            height_offset=layer.stride // 2,
            width_offset=layer.stride // 2,
        )


def fit_shapes(sizes: np.ndarray, count: int, seed: int) -> np.ndarray:
    """So many widths and heights, `(count, 2)`, that boxes have a high IoU with the nearest, by rising area.

    Raises:
        UserError: the boxes have fewer sizes.
    """
    random = np.random.default_rng(seed)
    sizes = sizes.astype(float).round(DIGITS)
    sizes = sizes[(sizes > 0).all(axis=1)]
    if len(sizes) > MOST_BOXES:
        sizes = sizes[np.sort(random.choice(len(sizes), MOST_BOXES, replace=False))]
    different = len(np.unique(sizes, axis=0))
    if different < count:
        raise UserError(
            f"train.anchors is 'fitted': train's boxes have {different} sizes, for {count} anchors; set null"
        )
    shapes, nearest = _first_shapes(sizes, count, random), None
    for _ in range(MOST_ROUNDS):
        before, nearest = nearest, anchors.centred_iou(sizes, shapes).argmax(axis=1)
        if before is not None and (before == nearest).all():
            break
        numbers = np.bincount(nearest, minlength=count)
        sums = np.stack([np.bincount(nearest, sizes[:, side], minlength=count) for side in (0, 1)], axis=1)
        shapes = np.where(numbers[:, None] > 0, sums / np.maximum(numbers, 1)[:, None], shapes)
    return shapes[np.argsort(shapes.prod(axis=1), kind="stable")]


def _first_shapes(sizes: np.ndarray, count: int, random: np.random.Generator) -> np.ndarray:
    """Sizes of boxes, each drawn by its squared distance from those before: k-means++ (Arthur, Vassilvitskii 2007)."""
    shapes = sizes[random.integers(len(sizes), size=1)]
    while len(shapes) < count:
        distances = np.maximum(1 - anchors.best_iou(sizes, shapes), 0) ** 2
        distances[(sizes[:, None] == shapes).all(axis=2).any(axis=1)] = 0  # rounding may leave a little
        shapes = np.concatenate([shapes, sizes[random.choice(len(sizes), size=1, p=distances / distances.sum())]])
    return shapes


def describe_fit(before: np.ndarray | None, after: np.ndarray, val_sizes: np.ndarray) -> str:
    """One line: the mean IoU of val's boxes with the anchor of the best shape, fitted, and by the pipeline file."""
    fitted = anchors.best_iou(val_sizes, after).mean() if len(val_sizes) else math.nan
    given = anchors.best_iou(val_sizes, before).mean() if before is not None and len(val_sizes) else math.nan
    return f"anchors fitted to train: mean best IoU of val's boxes {fitted:.3f}, {given:.3f} with the pipeline file's"
