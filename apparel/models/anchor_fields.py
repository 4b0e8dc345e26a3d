"""Fields of a pipeline file's anchors that the Object Detection API would fail on, or follow to anchors of no use."""

import sys
from collections.abc import Iterator

from google.protobuf.message import Message

from apparel.errors import UserError
from apparel.models.fitted_anchors import STRIDE_16
from apparel.models.tfod.pipeline_file import PipelineConfig

HIGHEST_LEVEL = 12
"""Of a pyramid: its places are 4096 pixels apart, the largest `train.resolution`."""

NEEDED = {
    "grid_anchor_generator": ("scales", "aspect_ratios"),
    "multiscale_anchor_generator": ("aspect_ratios",),
    "flexible_grid_anchor_generator": ("anchor_grid",),
    "anchor_grid": ("base_sizes", "aspect_ratios"),
}
"""Lists that hold one value or more, by the section that has them."""

MAY_BE_ZERO = ("min_level", "interpolated_scale_aspect_ratio")
"""Numbers of 0 or more; offsets may be any, and all others are above 0."""


def check_anchors(config: PipelineConfig, where: str) -> None:
    """Checks the anchors of a pipeline file; a network that has none passes.

    Args:
        config: a pipeline file with a model.
        where: its name, for messages.

    Raises:
        UserError: names the section and the field, and what to set.
    """
    network = config.model.WhichOneof("model")
    if network in ("ssd", "faster_rcnn") and (problem := _problem(network, getattr(config.model, network))):
        raise UserError(f"{where}: {problem}")


def _problem(network: str, model: Message) -> str | None:
    field = "anchor_generator" if network == "ssd" else "first_stage_anchor_generator"
    any_generator = getattr(model, field)
    kind = any_generator.WhichOneof("anchor_generator_oneof")
    if network == "faster_rcnn" and kind != "grid_anchor_generator":
        return f"{field} has {kind or 'no section'}: give it a section grid_anchor_generator"
    if kind is None:
        return f"{field} is empty: give it a section such as ssd_anchor_generator"
    generator = getattr(any_generator, kind)
    problem = next(_value_problems(generator, kind), None) or next(_count_problems(generator, kind), None)
    return problem or (_maps_problem(generator, kind, model.feature_extractor) if network == "ssd" else None)


def _value_problems(section: Message, name: str) -> Iterator[str]:
    """What a single field says, also those of the sections in it."""
    for field in NEEDED.get(name, ()):
        if not getattr(section, field):
            yield f"{name} has no {field}: list one or more"
    for field in section.DESCRIPTOR.fields:
        value = getattr(section, field.name)
        for part in value if hasattr(value, "__len__") else [value]:
            if isinstance(part, Message):
                yield from _value_problems(part, field.name)
                continue
            least = 0 if field.name in MAY_BE_ZERO else sys.float_info.min
            if part < least and not isinstance(part, bool) and not field.name.endswith("_offset"):
                yield f"{name}: {field.name} is {part:g}: set {'0 or more' if least == 0 else 'a number above 0'}"


def _count_problems(generator: Message, kind: str) -> Iterator[str]:
    """What fields say that go together."""
    if kind == "multiscale_anchor_generator":
        low, high = generator.min_level, generator.max_level
        if not low <= high <= HIGHEST_LEVEL:
            yield f"{kind}: its levels are {low} to {high}: set min_level <= max_level <= {HIGHEST_LEVEL}"
    elif kind == "flexible_grid_anchor_generator":
        for grid in generator.anchor_grid:
            if len(grid.base_sizes) != len(grid.aspect_ratios):
                yield (
                    f"{kind}: an anchor_grid has {len(grid.base_sizes)} base_sizes and {len(grid.aspect_ratios)} "
                    "aspect_ratios: list as many"
                )
    elif kind == "ssd_anchor_generator":
        number = generator.num_layers
        for field in ("scales", "height_stride", "width_stride", "height_offset", "width_offset"):
            values = getattr(generator, field)
            if values and len(values) != number:
                yield f"{kind}: num_layers is {number}, and {field} has {len(values)} values: list {number}, or none"
        for field in ("stride", "offset"):
            if bool(getattr(generator, f"height_{field}")) != bool(getattr(generator, f"width_{field}")):
                yield f"{kind} has one of height_{field} and width_{field}: list both, or none"
        if number == 1 and not generator.scales:
            yield f"{kind}: num_layers is 1, and there are no scales: list its scale"
        if not generator.aspect_ratios and not generator.interpolated_scale_aspect_ratio:
            yield f"{kind} has no aspect_ratios: list one or more"


def _maps_problem(generator: Message, kind: str, extractor: Message) -> str | None:
    """Whether there are anchors for as many feature maps as the network has, and at a pyramid's levels."""
    pyramid = next((name for name in ("fpn", "bifpn") if extractor.HasField(name)), None)
    if not pyramid and ("fpn" in extractor.type or not extractor.type.startswith(STRIDE_16)):
        return None  # how many maps it has is known to the API alone
    low, high = (getattr(getattr(extractor, pyramid), f"{end}_level") for end in ("min", "max")) if pyramid else (0, 0)
    if kind == "multiscale_anchor_generator":
        if pyramid and (generator.min_level, generator.max_level) != (low, high):
            levels = f"{generator.min_level} to {generator.max_level}"
            return f"{kind}: its levels are {levels}, and those of {pyramid} {low} to {high}: set the same"
        maps = generator.max_level - generator.min_level + 1
    elif kind == "flexible_grid_anchor_generator":
        maps = len(generator.anchor_grid)
    else:
        maps = generator.num_layers if kind == "ssd_anchor_generator" else 1
    needed = high - low + 1 if pyramid else extractor.num_layers
    return None if maps == needed else f"{kind} is for {maps} feature maps, and the network has {needed}: set as many"
