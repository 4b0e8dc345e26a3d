import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from apparel import params, paths
from apparel.errors import UserError
from apparel.models import prerequisites
from tests.support import project_copy
from tests.support.project_copy import set_params
from tests.support.repository import ROOT


@pytest.fixture
def project(tmp_path, monkeypatch):
    """params.yaml of an imported data set `shop`, with weights `coco` of width 0.75."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "configs", "configs")
    shutil.copy(ROOT / "params.yaml", paths.PARAMS)
    for folder in ("shop/photos", "shop/annotations", "shop/lists", "pretrained/coco", "pretrained/none"):
        (paths.DATA / folder).mkdir(parents=True)
    (paths.lists("shop") / "test.csv").touch()
    weights = paths.PRETRAINED / "coco"
    (weights / "pipeline.config").write_text(
        'model { ssd { feature_extractor { type: "ssd_mobilenet_v1_keras" depth_multiplier: 0.75 } } }'
    )
    set_params(paths.PARAMS, data={"name": "shop"}, train={"checkpoint": "coco", "depth_multiplier": 0.75})
    return tmp_path


def refusal(**sections: dict) -> str:
    set_params(paths.PARAMS, **sections)
    with pytest.raises(UserError) as refused:
        prerequisites.check_parameters(params.load())
    return str(refused.value)


def test_what_is_there_and_fits_is_accepted(project):
    prerequisites.check_parameters(params.load())
    set_params(paths.PARAMS, split={"test_list": "test.csv"})
    prerequisites.check_parameters(params.load())


def test_each_name_that_leads_nowhere_is_refused_with_the_nearest(project):
    message = refusal(
        data={"name": "shp"}, train={"checkpoint": "cocoo", "detector": "ssd_mobilenet_v11"}, split={"test_list": None}
    )
    for nearest in ("'data/shp'; did you mean 'shop'?", "cocoo'; did you mean 'coco'?", "mean 'ssd_mobilenet_v1'?"):
        assert nearest in message
    assert "no list 'tset.csv' in data/shop/lists; did you mean 'test.csv'?" in refusal(
        data={"name": "shop"}, split={"test_list": "tset.csv"}
    )


def test_weights_of_another_width_or_kind_are_refused(project):
    message = refusal(train={"depth_multiplier": 0.5})
    assert message == "train.depth_multiplier is 0.5, but the weights coco are of 0.75: set that"


def test_weights_of_the_installation_name_the_detectors_that_take_them(project):
    folder = paths.PRETRAINED / "efficientnet_lite0"
    shutil.copytree(ROOT / folder, folder)
    train = {"checkpoint": folder.name, "depth_multiplier": 1.0, "checkpoint_type": "backbone"}
    assert refusal(train=train) == (
        "train.detector is ssd_mobilenet_v1, but the weights efficientnet_lite0 are for "
        "faster_rcnn_efficientnet_lite0 and ssd_efficientnet_lite0 and ssd_efficientnet_lite0_fpnlite: set one of them"
    )
    for detector in ("faster_rcnn_efficientnet_lite0", "ssd_efficientnet_lite0"):
        set_params(paths.PARAMS, train={"detector": detector})
        prerequisites.check_parameters(params.load())
    assert "train.checkpoint_type is detection, but" in refusal(train={"checkpoint_type": "detection"})
    written = (folder / "weights.json").read_text(encoding="utf-8").replace('"package": "', '"package": "no-')
    (folder / "weights.json").write_text(written, encoding="utf-8")
    assert "is not installed; run `make setup`" in refusal(train={"checkpoint_type": "backbone"})


@pytest.mark.parametrize("part", ["shop/photos", "shop/annotations", "pretrained/coco"])
def test_what_only_dvc_knows_is_refused_with_how_to_fetch_it(project, part):
    folder = Path(paths.DATA, part)
    shutil.rmtree(folder)
    folder.with_name(f"{folder.name}.dvc").touch()
    assert f"data/{part} is not here; `dvc checkout data/{part}.dvc`" in refusal()


def test_a_value_that_does_not_fit_the_pipeline_file_is_refused(project):
    assert "there is no step 'random_flip'" in refusal(train={"augmentation": ["random_flip"]})
    assert "takes 33 pixels or more" in refusal(train={"resolution": 32, "augmentation": ["ssd_random_crop"]})


def test_weights_of_another_network_are_left_to_the_training(project):
    weights = paths.PRETRAINED / "coco" / "pipeline.config"
    weights.write_text('model { ssd { feature_extractor { type: "ssd_resnet50_v1_fpn_keras" } } }')
    prerequisites.check_parameters(params.load())
    weights.write_text(
        'model { ssd { feature_extractor { type: "ssd_mobilenet_v1_fpn_keras" depth_multiplier: 0.75 } } }'
    )
    prerequisites.check_parameters(params.load())  # a detector with the same head takes them as `detection`


@pytest.mark.parametrize("detector", ["ssd_efficientnet_lite0", "faster_rcnn_efficientnet_lite0"])
@pytest.mark.parametrize("is_keras_file", [False, True])
def test_weights_of_mobilenet_are_refused_for_efficientnet_before_anything_runs(project, detector, is_keras_file):
    weights = paths.PRETRAINED / "coco"
    if is_keras_file:
        (weights / "pipeline.config").unlink()
        with h5py.File(weights / "mobilenet_1_0_224_tf_no_top.h5", "w") as file:
            file.attrs["layer_names"] = [b"conv1"]
            file.create_group("conv1").attrs["weight_names"] = [b"conv1/kernel:0"]
            file["conv1/conv1/kernel:0"] = np.zeros((3, 3, 3, 32), np.float32)
    train = {"detector": detector, "depth_multiplier": 1.0, "checkpoint_type": "backbone"}
    assert refusal(train=train) == (
        f"train.checkpoint is coco, weights of mobilenet_v1, but the detector {detector} is of efficientnet_lite0: "
        "set one of them"
    )


def test_folders_that_a_copy_of_the_project_would_lack_are_refused(project):
    project_copy.git(project, "init", "--quiet")
    with pytest.raises(UserError) as refused:
        prerequisites.check_copies(params.load())
    folders = "data/shop/photos data/shop/annotations data/shop/lists data/pretrained/coco"
    assert str(refused.value) == (
        f"{folders} are known to neither DVC nor git, so a copy of the project would lack them: "
        f"`dvc add {folders}`, then `git add data` and `git commit`"
    )
    for folder in folders.split()[:-1]:
        Path(f"{folder}.dvc").touch()
    with pytest.raises(UserError, match=r"^data/pretrained/coco is known to neither"):
        prerequisites.check_copies(params.load())
    project_copy.git(project, "add", "--force", "data/pretrained/coco")
    prerequisites.check_copies(params.load())
    shutil.rmtree("data/pretrained/coco")  # not here: that is said elsewhere
    prerequisites.check_copies(params.load())


def test_drawn_photos_and_packaged_weights_need_no_dvc_file(project):
    shutil.copytree(ROOT / "data/demo", "data/demo", ignore=shutil.ignore_patterns("photos", "annotations"))
    shutil.copytree(ROOT / "data/pretrained/efficientnet_lite0", "data/pretrained/efficientnet_lite0")
    set_params(paths.PARAMS, data={"name": "demo"}, train={"checkpoint": "efficientnet_lite0"})
    prerequisites.check_copies(params.load())


def test_unlabelled_photos_have_to_be_there_with_labels_where_these_teach(project):
    (paths.UNLABELLED / "more").mkdir(parents=True)
    average = {"moving_average": 0.9}
    message = refusal(data={"unlabelled": "mor"}, train={"teacher": "mean"} | average)
    assert "'data/unlabelled/mor'; did you mean 'more'? (new ones: apparel import SOURCE --unlabelled" in message
    message = refusal(data={"unlabelled": "more"}, train={"teacher": "labels"} | average)
    assert "apparel predict data/unlabelled/more --model MODEL --xml writes them" in message
    (paths.UNLABELLED / "more" / "a.xml").touch()
    prerequisites.check_parameters(params.load())
    project_copy.git(project, "init", "--quiet")
    with pytest.raises(UserError, match="data/unlabelled/more are known to neither DVC nor git"):
        prerequisites.check_copies(params.load())
    (paths.UNLABELLED / "less.dvc").touch()
    assert prerequisites.unlabelled() == ["less", "more", "none"]
    message = refusal(data={"unlabelled": "less"}, train={"teacher": "mean"})
    assert "data/unlabelled/less is not here; `dvc checkout data/unlabelled/less.dvc`" in message
