"""The merged pipeline file: what it cannot follow is refused by name, not passed over."""

import re
from pathlib import Path

import pytest
import tensorflow as tf

from apparel import pipeline
from apparel.detector import Detector
from apparel.errors import UserError
from tests import tiny

CONFIG = Path(__file__).parents[2] / "configs" / "ssd_mobilenet_v1.config"


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Makes a pipeline file of one's own, `mine`, with further lines in its section `train_config`."""

    def write(lines: str) -> None:
        text = CONFIG.read_text(encoding="utf-8").replace("train_config {", f"train_config {{\n  {lines}")
        (tmp_path / "configs" / "mine.config").write_text(text, encoding="utf-8")

    (tmp_path / "configs").mkdir()
    monkeypatch.chdir(tmp_path)
    return write


@pytest.mark.parametrize(
    "line",
    [
        "bias_grad_multiplier: 2.0",
        'update_trainable_variables: "BoxPredictor"',
        'freeze_variables: "FeatureExtractor"',
        "merge_multiple_label_boxes: true",
        "use_multiclass_scores: true",
        "add_regularization_loss: false",
        "use_bfloat16: true",
    ],
)
def test_a_field_that_training_does_not_follow_is_refused_by_name(written, line: str) -> None:
    written(line)
    with pytest.raises(UserError, match=rf"configs/mine\.config: {line.split(':')[0]} is not followed"):
        pipeline.merge(tiny.train_params(detector="mine"), 2, steps=10)


def test_fields_that_make_no_difference_are_let_through(written) -> None:
    written("gradient_clipping_by_norm: 10.0 sync_replicas: true startup_delay_steps: 0 max_number_of_boxes: 50")
    merged = pipeline.merge(tiny.train_params(detector="mine"), 2, steps=10)
    assert merged.train_config.gradient_clipping_by_norm == 10.0


def test_mosaics_of_photos_with_borders_are_refused(written, tmp_path: Path) -> None:
    written("")
    mine = tmp_path / "configs" / "mine.config"
    fixed, bordered = "fixed_shape_resizer { height: 300 width: 300 }", "keep_aspect_ratio_resizer { }"
    mine.write_text(mine.read_text(encoding="utf-8").replace(fixed, bordered), encoding="utf-8")
    assert pipeline.merge(tiny.train_params(detector="mine"), 2, steps=10)
    with pytest.raises(UserError, match=r"resizes with keep_aspect_ratio_resizer: set train\.mosaic to 0"):
        pipeline.merge(tiny.train_params(detector="mine", mosaic=0.5), 2, steps=10)


@pytest.mark.parametrize("negatives", [0, 3])
def test_photos_without_boxes_teach_where_negatives_are_asked_for(negatives: int) -> None:
    detector = Detector(tiny.config(tiny.train_params(min_negatives_per_photo=negatives)), tiny.CLASSES)
    empty = {
        "image": tf.zeros([2, tiny.SIDE, tiny.SIDE, 3]),
        "true_shape": tf.constant([[tiny.SIDE, tiny.SIDE, 3]] * 2),
        "boxes": tf.zeros([2, 1, 4]),
        "classes": tf.zeros([2, 1, len(tiny.CLASSES)]),
        "weights": tf.zeros([2, 1]),
    }
    losses, _ = detector.losses(empty, training=False)
    assert (float(losses["classification_loss"]) > 0) == (negatives > 0)
    assert float(losses["localization_loss"]) == 0


def test_negatives_are_refused_where_no_hard_examples_are_mined(written) -> None:
    written("")
    mine = Path("configs/mine.config")
    text = mine.read_text(encoding="utf-8")
    mine.write_text(re.sub(r"hard_example_miner \{[^}]*\}", "", text), encoding="utf-8")
    with pytest.raises(UserError, match=r"mine mines no hard examples; set train\.min_negatives_per_photo to 0"):
        pipeline.merge(tiny.train_params(detector="mine", min_negatives_per_photo=3), 2, steps=10)
