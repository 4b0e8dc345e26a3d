"""Losses in the merged pipeline file, and what goes with them: score converter, bias, mining."""

import math
from pathlib import Path

import pytest

from apparel.errors import UserError
from apparel.models import loss_config, pipeline_config
from tests.support import tiny_detector
from tests.support.repository import ROOT


def _merge(**changes):
    return pipeline_config.merge(tiny_detector.train_params(**changes), 2, steps=10).model.ssd


@pytest.mark.parametrize("name", ["focal", "quality_focal"])
@pytest.mark.parametrize("detector", ["ssd_mobilenet_v1", "ssd_efficientnet_lite0_fpnlite"])
def test_focal_losses_come_with_sigmoid_scores_a_prior_and_no_mining(name: str, detector: str) -> None:
    ssd = _merge(classification_loss=name, detector=detector)
    assert ssd.loss.classification_loss.weighted_sigmoid_focal.gamma == 2
    assert ssd.loss.classification_loss.weighted_sigmoid_focal.alpha == 0.25
    assert ssd.post_processing.score_converter == ssd.post_processing.SIGMOID
    assert ssd.encode_background_as_zeros
    assert not ssd.loss.HasField("hard_example_miner")
    predictor = getattr(ssd.box_predictor, ssd.box_predictor.WhichOneof("box_predictor_oneof"))
    assert 1 / (1 + math.exp(-predictor.class_prediction_bias_init)) == pytest.approx(0.01)


def test_softmax_undoes_what_focal_losses_need(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    as_before = _merge(classification_loss="softmax")
    assert as_before.loss == _merge().loss and as_before.post_processing == _merge().post_processing
    changed = _merge(classification_loss="focal")
    monkeypatch.chdir(tmp_path)
    text = f"model {{ ssd {{ {changed} }} }}"
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "mine.config").write_text(text, encoding="utf-8")
    ssd = _merge(classification_loss="softmax", detector="mine")
    as_before.loss.hard_example_miner.ClearField("min_negatives_per_image")  # 0, as by default
    assert ssd.loss == as_before.loss
    assert ssd.post_processing == as_before.post_processing
    assert not ssd.encode_background_as_zeros
    assert ssd.box_predictor == as_before.box_predictor


@pytest.mark.parametrize("name", ["giou", "ciou"])
def test_overlap_losses_weigh_two(name: str) -> None:
    loss = _merge(box_loss=name).loss
    assert loss.localization_loss.HasField("weighted_giou") and loss.localization_weight == 2
    assert _merge(box_loss="smooth_l1").loss == _merge().loss


def test_focal_losses_refuse_mined_negatives() -> None:
    with pytest.raises(UserError, match=r"'focal': all anchors count, none are mined; set train\.min_negatives_per_"):
        _merge(classification_loss="focal", min_negatives_per_photo=5)
    assert _merge(assignment="atss", min_negatives_per_photo=5).loss.hard_example_miner.min_negatives_per_image == 5


def test_a_two_stage_detector_refuses_them() -> None:
    train = tiny_detector.train_params(assignment="atss", detector="mine")
    with pytest.raises(
        UserError, match=r"train\.assignment is 'atss': it is for an SSD, and configs/mine\.config has faster_rcnn"
    ):
        loss_config.set_losses("faster_rcnn", None, train)


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (" loss { random_example_sampler { }", "random_example_sampler"),
        (" loss { expected_loss_weights: EXPECTED_SAMPLING", "expected_loss_weights"),
        ("use_confidences_as_targets: true loss {", "use_confidences_as_targets"),
        ("add_background_class: false loss {", "add_background_class: false"),
    ],
)
def test_what_they_do_not_go_with_is_refused_by_name(tmp_path, monkeypatch, line: str, name: str) -> None:
    text = (ROOT / "configs" / "ssd_mobilenet_v1.config").read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "mine.config").write_text(text.replace(" loss {", line, 1), encoding="utf-8")
    with pytest.raises(UserError, match=f"train.box_loss is 'giou': it does not go with {name} in configs/mine.config"):
        _merge(box_loss="giou", detector="mine")


@pytest.mark.parametrize("name", ["softmax", "quality_focal"])
def test_a_pipeline_file_without_heads_is_refused_by_name(tmp_path, monkeypatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "mine.config").write_text(
        "model { ssd { anchor_generator { ssd_anchor_generator { } } "
        "image_resizer { fixed_shape_resizer { height: 300 width: 300 } } } }",
        encoding="utf-8",
    )
    with pytest.raises(UserError, match=r"configs/mine\.config has no box_predictor"):
        _merge(classification_loss=name, detector="mine")


@pytest.mark.parametrize(
    ("loss", "sampler", "message"),
    [
        ("weighted_iou", "", "weighted_iou is not supported; weighted_giou is"),
        ("weighted_giou", "random_example_sampler { }", "weighted_giou: it does not go with random_example_sampler"),
    ],
)
def test_box_losses_of_a_pipeline_file(tmp_path, monkeypatch, loss: str, sampler: str, message: str) -> None:
    text = (ROOT / "configs" / "ssd_mobilenet_v1.config").read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").mkdir()
    mine = tmp_path / "configs" / "mine.config"
    mine.write_text(text.replace("weighted_smooth_l1 { } }", f"{loss} {{ }} }} {sampler}"), encoding="utf-8")
    with pytest.raises(UserError, match=message):
        _merge(detector="mine")
    mine.write_text(mine.read_text(encoding="utf-8").replace(sampler, ""), encoding="utf-8")
    assert _merge(detector="mine", box_loss="smooth_l1").loss.localization_loss.HasField("weighted_smooth_l1")
