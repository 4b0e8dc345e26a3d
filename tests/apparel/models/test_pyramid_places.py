"""Places of a pyramid's anchors: where the API's are beside the maps', those of the maps; shapes and order stay."""

import numpy as np
import pytest

from apparel.models import pipeline_config
from apparel.models.pyramid_places import first_places
from tests.support import tiny_detector

DETECTORS = ("ssd_efficientnet_lite0_fpnlite", "ssd_mobilenet_v1_fpnlite")


def merged(resolution: int, detector: str = DETECTORS[0], **changes):
    """The merged pipeline file at a resolution."""
    return pipeline_config.merge(tiny_detector.train_params(resolution=resolution, detector=detector, **changes), 2, 10)


def built(config, resolution: int) -> list[np.ndarray]:
    """The anchors of each map in pixels, as the API builds them: ymin, xmin, ymax, xmax."""
    from object_detection.builders import anchor_generator_builder

    padded = -(-resolution // 32) * 32
    grids = [(-(-padded // 2**level),) * 2 for level in (4, 5, 6, 7)]
    generator = anchor_generator_builder.build(config.model.ssd.anchor_generator)
    anchors = generator.generate(grids, im_height=resolution, im_width=resolution)
    return [boxes.get().numpy() * resolution for boxes in anchors]


def centres(anchors: np.ndarray) -> list[float]:
    return np.unique((anchors[:, 0] + anchors[:, 2]).round(2) / 2).tolist()


@pytest.mark.parametrize("detector", DETECTORS)
def test_a_photo_that_is_padded_has_the_anchors_of_the_padded_size(detector: str) -> None:
    """At 500 the maps are those at 512, which the API has anchors for that no padding moved."""
    for anchors, expected in zip(built(merged(500, detector), 500), built(merged(512, detector), 512), strict=True):
        np.testing.assert_allclose(anchors, expected, atol=1e-3)


def test_at_300_pixels_anchors_stand_at_the_middle_of_what_a_place_covers() -> None:
    stride_16, stride_32, stride_64, stride_128 = map(centres, built(merged(300), 300))
    assert stride_16 == [8 + 16 * place for place in range(20)]
    assert stride_32 == [16 + 32 * place for place in range(10)]
    assert stride_64 == [32 + 64 * place for place in range(5)]
    assert stride_128 == [32, 160, 288]  # of five places the first, third and fifth


def test_shapes_and_their_order_are_those_of_the_pipeline_file() -> None:
    for moved, given in zip(built(merged(300), 300), built(merged(320), 320), strict=True):
        np.testing.assert_allclose(moved[:, 2:] - moved[:, :2], given[:, 2:] - given[:, :2], rtol=1e-4)


@pytest.mark.parametrize(
    ("resolution", "changes", "moves"),
    [
        (320, {}, False),
        (512, {}, False),
        (300, {}, True),
        (352, {}, True),
        (320, {"multi_scale": (256, 384)}, False),
        (320, {"multi_scale": (352,)}, True),
    ],
)
def test_multiples_of_64_stay_as_the_api_has_them(resolution: int, changes: dict, moves: bool) -> None:
    generator = merged(resolution, **changes).model.ssd.anchor_generator
    kind = "flexible_grid_anchor_generator" if moves else "multiscale_anchor_generator"
    assert generator.WhichOneof("anchor_generator_oneof") == kind


def test_first_places_lie_where_the_network_s_layers_look() -> None:
    """Stride by stride, a place lies in the middle of those below that it stands for."""
    assert first_places(300, 32, 7)[4:] == [8, 16, 32, 32]
    assert first_places(352, 32, 7)[4:] == [8, 16, 16, 48]
    assert first_places(512, 32, 7)[4:] == [8, 16, 32, 64]
    assert first_places(321, 1, 4) == [0.5] * 5


def test_the_plain_ssd_has_no_such_places() -> None:
    assert merged(300, "ssd_mobilenet_v1").model.ssd.anchor_generator.HasField("ssd_anchor_generator")
