"""Places of a feature pyramid's anchors, at resolutions where the Object Detection API would put them beside the maps'.

The API puts the first anchors at half the distance between places where the input is a multiple of it, else at 0
(multiscale_grid_anchor_generator.py). The maps are of the input padded to `pad_to_multiple`: at 300 pixels, padded to
320, all anchors 16 to 64 pixels apart would stand half that distance towards the upper left corner.
"""

import math
from collections.abc import Sequence

from google.protobuf.message import Message

from apparel.models.tfod.pipeline_file import PipelineConfig

MOST_OFF = 0.25
"""Share of the distance between places that the API's may be off: so far the coarsest map's are at multiples of 64,
such as 320, which stay as the API has them."""


def set_places(config: PipelineConfig, resolutions: Sequence[int]) -> None:
    """Lists the anchors of a pyramid with their places, where the API would put them too far off.

    Shapes and order stay, so that heads of a checkpoint fit. Other anchors stay as they are.

    Args:
        config: is changed; its anchors are valid.
        resolutions: pixels, width and height of the network's input; the places are those of the first.
    """
    ssd = config.model.ssd
    if not ssd.anchor_generator.HasField("multiscale_anchor_generator"):
        return
    pyramid = ssd.anchor_generator.multiscale_anchor_generator
    multiple = ssd.feature_extractor.pad_to_multiple
    if not any(_is_off(pyramid, side, multiple) for side in resolutions):
        return
    places = first_places(resolutions[0], multiple, pyramid.max_level)
    scales = [2 ** (number / pyramid.scales_per_octave) for number in range(pyramid.scales_per_octave)]
    pairs = [(scale, ratio) for ratio in pyramid.aspect_ratios for scale in scales]  # in the API's order
    levels = range(pyramid.min_level, pyramid.max_level + 1)
    size, is_normalised = pyramid.anchor_scale, pyramid.normalize_coordinates
    grids = ssd.anchor_generator.flexible_grid_anchor_generator  # takes the place of the other
    grids.normalize_coordinates = is_normalised
    for level in levels:
        grids.anchor_grid.add(
            base_sizes=[2**level * size * scale for scale, _ in pairs],
            aspect_ratios=[ratio for _, ratio in pairs],
            height_stride=2**level,
            width_stride=2**level,
            height_offset=int(places[level]),
            width_offset=int(places[level]),
        )


def first_places(resolution: int, pad_to_multiple: int, max_level: int) -> list[float]:
    """Centre of the first place of each level's map, from level 0, in pixels of the network's input.

    A map of even width has the middle of two places for each of the next map; one of odd width, which padding makes
    wider by one at either end, has its first, third and so on.
    """
    side = math.ceil(resolution / max(1, pad_to_multiple)) * max(1, pad_to_multiple)
    places = [0.5]
    for level in range(max_level):
        places.append(places[-1] + (2**level / 2 if side % 2 == 0 else 0))
        side = math.ceil(side / 2)
    return places


def _is_off(pyramid: Message, resolution: int, multiple: int) -> bool:
    places = first_places(resolution, multiple, pyramid.max_level)
    for level in range(pyramid.min_level, pyramid.max_level + 1):
        of_the_api = 2**level / 2 if resolution % 2**level == 0 else 0
        if abs(places[level] - of_the_api) > MOST_OFF * 2**level:
            return True
    return False
