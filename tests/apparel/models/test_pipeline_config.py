"""The merged pipeline file: what it cannot follow is refused by name, not passed over."""

import re
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from apparel import paths
from apparel.boxes import CORNERS
from apparel.data import shards
from apparel.data.example_writer import Photo
from apparel.errors import UserError
from apparel.inference.split_detections import detect_split
from apparel.models import inputs, pipeline_config
from apparel.models.detector import Detector
from apparel.models.tfod import optimizer
from tests.support import tiny_detector
from tests.support.repository import ROOT

CONFIG = ROOT / "configs" / "ssd_mobilenet_v1.config"


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
    with pytest.raises(UserError, match=rf"configs/mine\.config: {line.split(':')[0]} is not supported"):
        pipeline_config.merge(tiny_detector.train_params(detector="mine"), 2, steps=10)


def test_anchors_without_aspect_ratios_are_refused_with_file_and_remedy(written, tmp_path: Path) -> None:
    written("")
    mine = tmp_path / "configs" / "mine.config"
    text = (ROOT / "configs" / "ssd_efficientnet_lite0_fpnlite.config").read_text(encoding="utf-8")
    mine.write_text(re.sub(r"\n +aspect_ratios: .*", "", text), encoding="utf-8")
    message = r"^configs/mine\.config: multiscale_anchor_generator has no aspect_ratios: list one or more$"
    with pytest.raises(UserError, match=message):
        pipeline_config.merge(tiny_detector.train_params(detector="mine"), 2, steps=10)


def test_bfloat16_is_a_parameter_not_a_field_of_the_detectors_file(written) -> None:
    written("use_bfloat16: true")
    with pytest.raises(UserError, match=r"use_bfloat16 is not supported; set train\.precision"):
        pipeline_config.merge(tiny_detector.train_params(detector="mine"), 2, steps=10)


def test_the_merged_file_names_the_precision_only_where_it_is_not_float32() -> None:
    plain, mixed = (
        tiny_detector.config(tiny_detector.train_params(precision=name)) for name in ("float32", "bfloat16")
    )
    assert not plain.train_config.HasField("use_bfloat16")
    assert mixed.train_config.use_bfloat16


@pytest.mark.parametrize("number", ["nan", "-inf"])
def test_what_is_no_finite_number_is_refused_by_name(written, number: str) -> None:
    written(f"gradient_clipping_by_norm: {number}")
    with pytest.raises(UserError, match=rf"mine\.config: gradient_clipping_by_norm: {number} is no finite number"):
        pipeline_config.merge(tiny_detector.train_params(detector="mine"), 2, steps=10)


def test_fields_that_make_no_difference_are_let_through(written) -> None:
    written("gradient_clipping_by_norm: 10.0 sync_replicas: true startup_delay_steps: 0 max_number_of_boxes: 50")
    merged = pipeline_config.merge(tiny_detector.train_params(detector="mine"), 2, steps=10)
    assert merged.train_config.gradient_clipping_by_norm == 10.0


def test_the_merged_file_names_the_file_that_the_training_starts_from(written) -> None:
    written("")
    packaged, keras, zoo = (paths.PRETRAINED / name for name in ("efficientnet_lite0", "keras", "zoo"))
    for file in (packaged / "weights.json", keras / "weights.h5", zoo / "checkpoint" / "ckpt-0.index"):
        file.parent.mkdir(parents=True)
        file.touch()
    for folder, file in ((packaged, "weights.json"), (keras, "weights.h5"), (zoo, "checkpoint/ckpt-0")):
        train = tiny_detector.train_params(detector="mine", checkpoint=folder.name, checkpoint_type="backbone")
        section = pipeline_config.merge(train, 2, steps=10).train_config
        assert section.fine_tune_checkpoint == f"data/pretrained/{folder.name}/{file}"
        assert section.fine_tune_checkpoint_type == "classification"


@pytest.fixture
def bordered(written, tmp_path: Path) -> None:
    """A pipeline file `mine` that keeps the shape of photos and pads them."""
    written("")
    mine = tmp_path / "configs" / "mine.config"
    fixed, kept = "fixed_shape_resizer { height: 300 width: 300 }", "keep_aspect_ratio_resizer { }"
    mine.write_text(mine.read_text(encoding="utf-8").replace(fixed, kept), encoding="utf-8")


@pytest.mark.parametrize(
    ("width", "height"),
    [pytest.param(120, 60, marks=pytest.mark.slow), (60, 120), pytest.param(90, 90, marks=pytest.mark.slow)],
)
def test_boxes_stay_on_their_garments_where_photos_are_padded(
    bordered, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int, height: int
) -> None:
    box = (width // 4, height // 5, 3 * width // 4, 4 * height // 5)
    Image.new("RGB", (width, height)).save(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        image.paste("white", box)
        image.save(tmp_path / "a.png")
    photo = Photo(tmp_path / "a.png", width, height, np.array([box], float), np.array([1]), np.array([False]))
    index = shards.write_shards(
        {name: [photo] for name in ("train", "val", "test")}, tiny_detector.CLASSES, 1, paths.TFRECORD
    )
    config = pipeline_config.merge(tiny_detector.train_params(detector="mine"), len(tiny_detector.CLASSES), steps=1)
    detector, ground_truth = Detector(config, tiny_detector.CLASSES), {}
    provide = detector.model.provide_groundtruth
    monkeypatch.setattr(
        detector.model, "provide_groundtruth", lambda **truth: (ground_truth.update(truth), provide(**truth))
    )
    batch = next(iter(inputs.evaluation_batches(index, config, "val", 1)))
    detector.losses(batch, training=False)
    white = np.argwhere(batch["image"][0, :, :, 0].numpy() > 127)
    seen = np.concatenate([white.min(axis=0), white.max(axis=0) + 1])
    assert ground_truth["groundtruth_boxes_list"][0][0].numpy() * detector.resolution == pytest.approx(seen, abs=1)
    assert detect_split(detector, index, "val").ground_truth[CORNERS].to_numpy()[0] == pytest.approx(box, abs=0.01)


def test_mosaics_of_photos_with_borders_are_refused(bordered) -> None:
    assert pipeline_config.merge(tiny_detector.train_params(detector="mine"), 2, steps=10)
    with pytest.raises(UserError, match=r"resizes with keep_aspect_ratio_resizer: set train\.mosaic to 0"):
        pipeline_config.merge(tiny_detector.train_params(detector="mine", mosaic=0.5), 2, steps=10)


@pytest.mark.parametrize("negatives", [0, 3])
def test_photos_without_boxes_teach_where_negatives_are_asked_for(negatives: int) -> None:
    detector = Detector(
        tiny_detector.config(tiny_detector.train_params(min_negatives_per_photo=negatives)), tiny_detector.CLASSES
    )
    empty = {
        "image": tf.zeros([2, tiny_detector.SIDE, tiny_detector.SIDE, 3]),
        "true_shape": tf.constant([[tiny_detector.SIDE, tiny_detector.SIDE, 3]] * 2),
        "boxes": tf.zeros([2, 1, 4]),
        "classes": tf.zeros([2, 1, len(tiny_detector.CLASSES)]),
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
        pipeline_config.merge(tiny_detector.train_params(detector="mine", min_negatives_per_photo=3), 2, steps=10)


@pytest.mark.parametrize(
    ("schedule", "first", "last"), [("cosine", 0.1, 0.0), ("exponential", 0.1, 0.01), ("constant", 1.0, 1.0)]
)
def test_a_schedule_ends_where_params_yaml_says(written, schedule: str, first: float, last: float) -> None:
    written("")
    chosen = tiny_detector.train_params(detector="mine", schedule=schedule, warmup_fraction=0.1, learning_rate=0.5)
    for kind in ("adam", "rmsprop", "momentum"):
        merged = pipeline_config.merge(chosen.model_copy(update={"optimizer": kind}), 2, steps=1000)
        rate = tf.function(partial(optimizer.learning_rate_at, merged), autograph=False)
        rates = [float(rate(tf.constant(step, tf.int64))) for step in (0, 100, 999, 1000)]
        assert rates == pytest.approx([first / 2, 0.5, last / 2, last / 2], abs=0.0005)


def test_more_steps_than_a_pipeline_file_holds_are_refused() -> None:
    with pytest.raises(UserError, match=r"train\.epochs is 100000000: .* steps are more"):
        pipeline_config.steps_of(tiny_detector.train_params(steps=None, epochs=100_000_000), photos=1000)


@pytest.mark.parametrize("section", ["graph_rewriter { quantization { delay: 10 } }", "experimental"])
def test_sections_that_nothing_here_follows_are_refused(written, tmp_path: Path, section: str) -> None:
    written("")
    mine = tmp_path / "configs" / "mine.config"
    if section == "experimental":
        section = 'model { experimental_model { name: "x" } }'
        mine.write_text("train_config { }", encoding="utf-8")
    with mine.open("a", encoding="utf-8") as file:
        file.write(f"\n{section}\n")
    with pytest.raises(UserError, match=r"configs/mine\.config: \w+ is not supported"):
        pipeline_config.merge(tiny_detector.train_params(detector="mine"), 2, steps=10)
