"""The weights that a recipe for an imported data set starts from, and the detector that they are of."""

import shutil

import h5py
import numpy as np
import pytest

from apparel import paths
from apparel.analysis import recipe_weights
from apparel.analysis.recipe_weights import COCO_PARAMS
from apparel.data.ingest import model_zoo
from tests.support.repository import ROOT

SSD = """model { ssd {
  image_resizer { fixed_shape_resizer { height: SIDE width: SIDE } }
  feature_extractor { type: "KIND" depth_multiplier: DEPTH } } }"""


@pytest.fixture
def pretrained(tmp_path, monkeypatch):
    """An empty data/pretrained beside the pipeline files of this project."""
    monkeypatch.chdir(tmp_path)
    paths.PRETRAINED.mkdir(parents=True)
    paths.CONFIGS.mkdir()
    for path in (ROOT / "configs").glob("*.config"):
        shutil.copy(path, paths.CONFIGS)
    shutil.copytree(ROOT / "data/pretrained/efficientnet_lite0", paths.PRETRAINED / "efficientnet_lite0")
    return paths.PRETRAINED


def add(folder, kind, depth=1.0, side=300):
    folder.mkdir()
    text = SSD.replace("KIND", kind).replace("DEPTH", str(depth)).replace("SIDE", str(side))
    (folder / "pipeline.config").write_text(text, encoding="utf-8")


def add_keras(folder, filters):
    folder.mkdir()
    with h5py.File(folder / "mobilenet.h5", "w") as file:
        file.attrs["layer_names"] = [b"conv1"]
        file.create_group("conv1").attrs["weight_names"] = [b"conv1/kernel:0"]
        file["conv1"]["conv1/kernel:0"] = np.zeros((3, 3, 3, filters), np.float32)


def values(weights):
    return tuple(weights.params[key] for key in ("detector", "checkpoint_type", "depth_multiplier", "resolution"))


def test_without_an_import_they_are_cocos_though_others_come_with_the_installation(pretrained):
    weights = recipe_weights.choose()
    assert (weights.name, weights.params, weights.is_missing, weights.left_out) == ("coco", COCO_PARAMS, True, ())


@pytest.mark.parametrize(
    ("kind", "depth", "side", "expected"),
    [
        ("ssd_mobilenet_v1", 0.5, 320, ("ssd_mobilenet_v1", "detection", 0.5, 320)),
        ("ssd_efficientnet_lite2", 1.0, 512, ("ssd_efficientnet_lite2", "detection", 1.0, 512)),
        ("ssd_efficientnet_lite0_fpn", 1.0, 320, ("ssd_efficientnet_lite0_fpnlite", "detection", 1.0, 320)),
        ("ssd_mobilenet_v1_fpn_keras", 1.0, 640, ("ssd_mobilenet_v1", "backbone", 1.0, 300)),
    ],
)
def test_the_detector_is_that_of_an_imported_checkpoint(pretrained, kind, depth, side, expected):
    add(pretrained / "ours", kind, depth, side)
    weights = recipe_weights.choose()
    assert (weights.name, values(weights), weights.left_out) == ("ours", expected, ())


def test_a_keras_mobilenet_is_a_backbone_of_the_ssd(pretrained):
    add_keras(pretrained / "imagenet", 24)
    weights = recipe_weights.choose()
    assert (weights.name, values(weights)) == ("imagenet", ("ssd_mobilenet_v1", "backbone", 0.75, 300))
    assert weights.about == "imported weights of a backbone"


def test_coco_comes_first_then_a_whole_detector(pretrained):
    add_keras(pretrained / "a", 32)
    add(pretrained / "fashion", "ssd_efficientnet_lite0")
    assert recipe_weights.choose().name == "fashion"
    add(pretrained / "coco", "ssd_mobilenet_v1_keras", 0.75)
    weights = recipe_weights.choose()
    assert (weights.name, weights.params, weights.is_missing) == ("coco", COCO_PARAMS, False)


@pytest.mark.parametrize("kind", ["ssd_mobilenet_v2_keras", "ssd_resnet50_v1_fpn_keras", ""])
def test_weights_of_an_unknown_detector_are_left_out_with_the_reason(pretrained, kind):
    (paths.CONFIGS / "damaged.config").write_text("model {")  # tells no feature extractor, as the weights with ""
    add(pretrained / "theirs", kind)
    weights = recipe_weights.choose()
    assert (weights.name, weights.params) == ("coco", COCO_PARAMS)
    (reason,) = weights.left_out
    assert reason.startswith("the weights theirs are not taken: their files do not tell that a detector of configs/")


def test_the_weights_that_a_recipe_imports_are_known_by_that_name():
    published = recipe_weights.IMPORT_COCO.split()[3]
    assert model_zoo.find_weights(published).is_readable
