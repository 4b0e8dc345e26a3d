import numpy as np
import pytest
from google.protobuf import text_format
from hypothesis import given
from hypothesis import strategies as st

from apparel import boxes
from apparel.models import anchors
from apparel.models.tfod import pipeline_file
from tests.support.repository import ROOT

CONFIG = ROOT / "configs" / "ssd_mobilenet_v1.config"
PLAIN = "num_layers: 6 min_scale: 0.2 max_scale: 0.95 aspect_ratios: [1.0, 2.0, 0.5, 3.0, 0.3333]"


def configure(generator):
    text = "model { ssd { anchor_generator { ssd_anchor_generator { " + generator + " } } } }"
    return text_format.Parse(text, pipeline_file.PipelineConfig())


@pytest.mark.parametrize(
    "generator",
    [
        PLAIN,
        PLAIN + " reduce_boxes_in_lowest_layer: false",
        PLAIN + " interpolated_scale_aspect_ratio: 0",
        "num_layers: 3 scales: [0.1, 0.4, 0.7] aspect_ratios: 2 base_anchor_height: 0.5 base_anchor_width: 0.8",
    ],
)
def test_shapes_are_those_of_the_object_detection_api(generator):
    from object_detection.builders import anchor_generator_builder

    config = configure(generator)
    built = anchor_generator_builder.build(config.model.ssd.anchor_generator)
    layers = len(built.num_anchors_per_location())
    grids = [(side, side) for side in range(layers, 0, -1)]
    corners = np.concatenate([layer.get().numpy() for layer in built.generate(grids, im_height=1, im_width=1)])
    sizes = np.stack([corners[:, 3] - corners[:, 1], corners[:, 2] - corners[:, 0]], axis=1)
    expected = np.unique(sizes.round(5), axis=0)
    assert np.allclose(np.unique(anchors.anchor_shapes(config, 300).round(5), axis=0), expected, atol=2e-5)


@pytest.mark.parametrize(
    "generator",
    [
        "multiscale_anchor_generator { min_level: 4 max_level: 6 anchor_scale: 3 aspect_ratios: [1, 2] }",
        "flexible_grid_anchor_generator { anchor_grid { base_sizes: [30, 60] aspect_ratios: [0.5, 2] height_stride: 16 "
        "width_stride: 16 } anchor_grid { base_sizes: 99 aspect_ratios: 1 height_stride: 32 width_stride: 32 } }",
    ],
)
def test_shapes_in_pixels_are_those_of_the_object_detection_api(generator):
    from object_detection.builders import anchor_generator_builder

    text = "model { ssd { anchor_generator { " + generator + " } } }"
    config = text_format.Parse(text, pipeline_file.PipelineConfig())
    built = anchor_generator_builder.build(config.model.ssd.anchor_generator)
    grids = [(side, side) for side in (4, 2, 1)][: len(built.num_anchors_per_location())]
    corners = np.concatenate([layer.get().numpy() for layer in built.generate(grids, im_height=320, im_width=320)])
    sizes = np.stack([corners[:, 3] - corners[:, 1], corners[:, 2] - corners[:, 0]], axis=1)
    expected = np.unique(sizes.round(4), axis=0)
    assert np.allclose(np.unique(anchors.anchor_shapes(config, 320).round(4), axis=0), expected, atol=2e-4)


def test_other_anchors_have_no_shapes():
    other = "model { ssd { anchor_generator { grid_anchor_generator { } } } }"
    assert anchors.anchor_shapes(text_format.Parse(other, pipeline_file.PipelineConfig()), 300) is None


def test_the_threshold_is_the_one_of_the_api_s_matcher():
    from object_detection.builders import matcher_builder

    config = pipeline_file.read(CONFIG)
    matcher = matcher_builder.build(config.model.ssd.matcher)
    assert 0 < anchors.matched_threshold(config) == matcher._matched_threshold < 1


side = st.floats(0.01, 1)
sizes = st.lists(st.tuples(side, side), min_size=1, max_size=5).map(np.array)


@given(sizes, sizes)
def test_best_iou_is_that_of_boxes_at_one_centre(box_sizes, shapes):
    def centred(pairs):
        return np.concatenate([-pairs / 2, pairs / 2], axis=1)

    expected = boxes.iou(centred(box_sizes), centred(shapes)).max(axis=1)
    assert np.allclose(anchors.best_iou(box_sizes, shapes), expected)


def test_no_boxes_give_an_empty_result():
    assert anchors.best_iou(np.empty((0, 2)), np.ones((3, 2))).shape == (0,)
