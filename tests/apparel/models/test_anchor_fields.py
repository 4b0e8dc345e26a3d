"""Fields of a pipeline file's anchors: what the API would fail on is refused, with the field and a remedy."""

import pytest
from google.protobuf import text_format

from apparel.errors import UserError
from apparel.models.anchor_fields import check_anchors
from apparel.models.tfod import pipeline_file
from tests.support.repository import ROOT

CONFIGS = sorted((ROOT / "configs").glob("*.config"))

PYRAMID, SSD, TWO_STAGES = "ssd_efficientnet_lite0_fpnlite", "ssd_mobilenet_v1", "faster_rcnn_efficientnet_lite0"


def problem(detector: str, generator: str) -> str:
    """What is said of a detector of configs/ with another generator of anchors."""
    config = pipeline_file.read(ROOT / "configs" / f"{detector}.config")
    model = getattr(config.model, config.model.WhichOneof("model"))
    field = "first_stage_anchor_generator" if detector == TWO_STAGES else "anchor_generator"
    model.ClearField(field)
    text_format.Parse(generator, getattr(model, field))
    with pytest.raises(UserError) as raised:
        check_anchors(config, "configs/mine.config")
    return str(raised.value).removeprefix("configs/mine.config: ")


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_the_detectors_of_configs_pass(path):
    check_anchors(pipeline_file.read(path), path.name)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("", " has no aspect_ratios: list one or more"),
        ("aspect_ratios: [1, 0]", ": aspect_ratios is 0: set a number above 0"),
        ("aspect_ratios: 1 scales_per_octave: 0", ": scales_per_octave is 0: set a number above 0"),
        ("aspect_ratios: 1 anchor_scale: 0", ": anchor_scale is 0: set a number above 0"),
        ("aspect_ratios: 1 anchor_scale: -3", ": anchor_scale is -3: set a number above 0"),
        ("aspect_ratios: 1 min_level: -1", ": min_level is -1: set 0 or more"),
        (
            "aspect_ratios: 1 min_level: 7 max_level: 4",
            ": its levels are 7 to 4: set min_level <= max_level <= 12",
        ),
        (
            "aspect_ratios: 1 min_level: 4 max_level: 90000",
            ": its levels are 4 to 90000: set min_level <= max_level <= 12",
        ),
        (
            "aspect_ratios: 1 min_level: 5 max_level: 8",
            ": its levels are 5 to 8, and those of fpn 4 to 7: set the same",
        ),
    ],
)
def test_anchors_of_a_pyramid(fields, message):
    kind = "multiscale_anchor_generator"
    assert problem(PYRAMID, f"{kind} {{ {fields} }}") == kind + message


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("num_layers: 0", ": num_layers is 0: set a number above 0"),
        ("num_layers: 1", ": num_layers is 1, and there are no scales: list its scale"),
        ("num_layers: 5", " is for 5 feature maps, and the network has 6: set as many"),
        ("scales: [0.1, 0.3]", ": num_layers is 6, and scales has 2 values: list 6, or none"),
        ("scales: [0.1, 0.3, 0.4, 0.5, 0.6, 0]", ": scales is 0: set a number above 0"),
        ("min_scale: -0.5", ": min_scale is -0.5: set a number above 0"),
        ("base_anchor_height: 0", ": base_anchor_height is 0: set a number above 0"),
        ("height_stride: [1, 2, 3, 4, 5, 6]", " has one of height_stride and width_stride: list both, or none"),
        ("interpolated_scale_aspect_ratio: -1", ": interpolated_scale_aspect_ratio is -1: set 0 or more"),
        ("interpolated_scale_aspect_ratio: 0", " has no aspect_ratios: list one or more"),
    ],
)
def test_anchors_of_an_ssd(fields, message):
    kind = "ssd_anchor_generator"
    assert problem(SSD, f"{kind} {{ {fields} }}") == kind + message


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("", " has no scales: list one or more"),
        ("scales: 1", " has no aspect_ratios: list one or more"),
        ("scales: 1 aspect_ratios: 1 height: 0", ": height is 0: set a number above 0"),
        ("scales: 1 aspect_ratios: 1 width_stride: -16", ": width_stride is -16: set a number above 0"),
    ],
)
def test_anchors_of_two_stages(fields, message):
    kind = "grid_anchor_generator"
    assert problem(TWO_STAGES, f"{kind} {{ {fields} }}") == kind + message


def test_anchors_that_are_listed_one_by_one():
    kind = "flexible_grid_anchor_generator"
    grid = "anchor_grid { base_sizes: 30 aspect_ratios: %s height_stride: 16 width_stride: 16 }"
    assert problem(PYRAMID, f"{kind} {{ }}") == f"{kind} has no anchor_grid: list one or more"
    assert problem(PYRAMID, f"{kind} {{ {grid % '[1, 2]'} }}") == (
        f"{kind}: an anchor_grid has 1 base_sizes and 2 aspect_ratios: list as many"
    )
    assert problem(PYRAMID, f"{kind} {{ {grid % 1} }}") == (
        f"{kind} is for 1 feature maps, and the network has 4: set as many"
    )
    assert problem(PYRAMID, f"{kind} {{ anchor_grid {{ base_sizes: 30 aspect_ratios: 1 }} }}") == (
        "anchor_grid: height_stride is 0: set a number above 0"
    )


def test_anchors_of_another_network():
    assert problem(SSD, "") == "anchor_generator is empty: give it a section such as ssd_anchor_generator"
    assert problem(TWO_STAGES, "ssd_anchor_generator { }") == (
        "first_stage_anchor_generator has ssd_anchor_generator: give it a section grid_anchor_generator"
    )
    assert problem(SSD, "grid_anchor_generator { scales: 1 aspect_ratios: 1 }") == (
        "grid_anchor_generator is for 1 feature maps, and the network has 6: set as many"
    )


def test_how_many_maps_other_networks_have_is_left_to_the_api():
    config = pipeline_file.read(ROOT / "configs" / f"{SSD}.config")
    config.model.ssd.anchor_generator.ssd_anchor_generator.num_layers = 5
    config.model.ssd.feature_extractor.type = "ssd_resnet50_v1_fpn_keras"
    check_anchors(config, "configs/mine.config")
