import numpy as np
import pytest

from apparel.models.checkpoint_params import read_checkpoint_params
from tests.support.repository import COCO, ROOT

MOBILENET = {"detector": "ssd_mobilenet_v1"}


def write_keras(folder, filters):
    import h5py

    with h5py.File(folder / "mobilenet.h5", "w") as file:
        file.attrs["layer_names"] = [b"conv1"]
        file.create_group("conv1").attrs["weight_names"] = [b"conv1/kernel:0"]
        file["conv1"]["conv1/kernel:0"] = np.zeros((3, 3, 3, filters), np.float32)


@pytest.mark.parametrize(("filters", "depth_multiplier"), [(32, 1.0), (24, 0.75), (8, 0.25)])
def test_keras_weights_tell_the_depth_multiplier(tmp_path, filters, depth_multiplier):
    write_keras(tmp_path, filters)
    params = read_checkpoint_params(tmp_path)
    assert params == {
        "detector": "ssd_mobilenet_v1",
        "checkpoint_type": "backbone",
        "depth_multiplier": depth_multiplier,
    }


def test_no_depth_multiplier_above_1_is_proposed(tmp_path):
    write_keras(tmp_path, 1000)
    assert read_checkpoint_params(tmp_path) == {"checkpoint_type": "backbone"}


def test_keras_weights_of_another_network_are_weights_of_a_backbone(tmp_path):
    import h5py

    h5py.File(tmp_path / "other.h5", "w").close()
    assert read_checkpoint_params(tmp_path) == {"checkpoint_type": "backbone"}


def test_files_that_tell_nothing_need_no_params(tmp_path):
    assert read_checkpoint_params(tmp_path) == {}
    (tmp_path / "pipeline.config").write_text("no pipeline")
    assert read_checkpoint_params(tmp_path) == {}
    (tmp_path / "pipeline.config").write_text("model { faster_rcnn { } }")
    assert read_checkpoint_params(tmp_path) == {}


@pytest.mark.parametrize(
    ("kind", "depth_multiplier", "side", "params"),
    [
        ("ssd_mobilenet_v1", 0.75, 300, MOBILENET | {"depth_multiplier": 0.75, "resolution": 300}),
        ("ssd_mobilenet_v1_fpn", 1.0, 640, MOBILENET | {"depth_multiplier": 1.0, "checkpoint_type": "backbone"}),
        ("ssd_mobilenet_v1", 31, 100_000, MOBILENET),
        ("ssd_mobilenet_v2_keras", 1.0, 320, {"depth_multiplier": 1.0, "resolution": 320}),
        (
            "ssd_efficientnet_lite2_fpn",
            1.0,
            320,
            {"detector": "ssd_efficientnet_lite2_fpnlite", "depth_multiplier": 1.0, "resolution": 320},
        ),
    ],
)
def test_only_what_params_yaml_takes_is_proposed(tmp_path, kind, depth_multiplier, side, params):
    resizer = f"image_resizer {{ fixed_shape_resizer {{ height: {side} width: {side} }} }}"
    extractor = f'feature_extractor {{ type: "{kind}" depth_multiplier: {depth_multiplier} }}'
    (tmp_path / "pipeline.config").write_text(f"model {{ ssd {{ {resizer} {extractor} }} }}")
    assert read_checkpoint_params(tmp_path) == params


def test_weights_of_the_installation_are_of_full_width():
    params = read_checkpoint_params(ROOT / "data/pretrained/efficientnet_lite0")
    assert params == {
        "detector": "ssd_efficientnet_lite0",
        "checkpoint_type": "backbone",
        "depth_multiplier": 1.0,
    }


def test_damaged_weights_of_the_installation_name_no_detector(tmp_path):
    (tmp_path / "weights.json").write_text("{")
    assert read_checkpoint_params(tmp_path) == {"checkpoint_type": "backbone", "depth_multiplier": 1.0}


@pytest.mark.shared("pretrained/ssd_mobilenet_v1_0.75_coco")
def test_the_pipeline_file_of_a_zoo_checkpoint_tells_depth_multiplier_and_resolution():
    assert read_checkpoint_params(COCO) == MOBILENET | {"depth_multiplier": 0.75, "resolution": 300}
