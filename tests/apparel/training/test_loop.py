"""Training loop: it learns, keeps its best weights, resumes after a crash, and gives the same weights each time."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from apparel.data.index import Index
from apparel.errors import UserError
from apparel.inference.split_detections import detect_split
from apparel.models import pipeline_config
from apparel.models.detector import Detector, load_detector
from apparel.models.tfod import determinism
from apparel.models.thresholds import default_thresholds
from apparel.training import bucket_checkpoints, loop
from apparel.training.checkpoints import Progress
from tests.support import memory_bucket, tiny_detector

THRESHOLDS = default_thresholds(tiny_detector.CLASSES)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with tiny_detector.project(tmp_path_factory.mktemp("training")) as folder:
        yield folder


@pytest.fixture(scope="module")
def index(project: Path) -> Index:
    return tiny_detector.records(project)


def _training(index: Index, folder: Path, **changes) -> loop.Training:
    train = tiny_detector.train_params(**changes)
    tf.keras.backend.clear_session()  # the variables of a second model would have other names
    determinism.enable(train.seed)
    return loop.Training(Detector(tiny_detector.config(train), tiny_detector.CLASSES), index, train, folder)


def _train(index: Index, folder: Path, kill_at: int | None = None) -> tuple[Detector, Progress]:
    """Six steps, a validation after every epoch of one and a half, and all that a training can have switched on."""
    training = _training(index, folder, moving_average=0.9, class_balance="sampling", learning_rate=0.01)

    def report(step: int, values: dict) -> None:
        if step == kill_at and "val/mAP50" not in values:
            raise tiny_detector.Killed

    return training.detector, training.run(report)


@pytest.fixture(scope="module")
def undisturbed(project: Path, index: Index) -> tuple[Detector, Progress]:
    return _train(index, project / "undisturbed")


def _saved(detector: Detector, folder: Path) -> dict[str, bytes]:
    detector.save(folder)
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _weights(detector: Detector) -> list[bytes]:
    return [variable.numpy().tobytes() for variable in detector.model.variables]


def test_a_killed_training_ends_with_the_undisturbed_weights_even_from_the_checkpoint_before_the_last(
    undisturbed: tuple[Detector, Progress], project: Path, index: Index, capsys: pytest.CaptureFixture
) -> None:
    folder = project / "killed"
    with pytest.raises(tiny_detector.Killed):
        _train(index, folder, kill_at=5)
    newest = max((folder / "latest").glob("ckpt-*.data*"), key=lambda path: path.stat().st_mtime_ns)
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 0x40
    newest.write_bytes(content)
    resumed, progress = _train(index, folder)
    printed = capsys.readouterr().out
    assert "damaged" in printed
    assert "resuming from step 3" in printed
    assert [row["step"] for row in progress.history] == [2, 3, 4, 6]
    assert progress.history == undisturbed[1].history
    assert _weights(resumed) == _weights(undisturbed[0])


@pytest.mark.slow
def test_a_training_whose_machine_was_lost_goes_on_from_the_bucket_with_the_undisturbed_bytes(
    undisturbed: tuple[Detector, Progress],
    project: Path,
    index: Index,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    monkeypatch.setenv(bucket_checkpoints.VARIABLE, f"{memory_bucket.make(monkeypatch)}/checkpoints")
    lost, other = project / "lost" / "key", project / "other" / "key"
    lost.mkdir(parents=True)
    other.mkdir(parents=True)
    with pytest.raises(tiny_detector.Killed):
        _train(index, lost, kill_at=6)
    bucket_checkpoints.of(lost)._sender.wait()
    bucket_checkpoints.of(other).take_up()
    resumed, progress = _train(index, other)
    printed = capsys.readouterr().out
    assert re.search(r"the checkpoint of step [234] comes from memory://", printed)
    assert re.search(r"resuming from step [234] of 6", printed)
    assert progress.history == undisturbed[1].history
    assert _saved(resumed, project / "resumed elsewhere") == _saved(undisturbed[0], project / "saved here")


@pytest.mark.slow
def test_a_finished_training_whose_checkpoints_stayed_ends_at_once_with_the_same_bytes(
    undisturbed: tuple[Detector, Progress], index: Index, project: Path, capsys: pytest.CaptureFixture
) -> None:
    resumed, progress = _train(index, project / "undisturbed", kill_at=6)
    assert "resuming from step 6 of 6" in capsys.readouterr().out
    assert progress.history == undisturbed[1].history
    assert _saved(resumed, project / "resumed") == _saved(undisturbed[0], project / "saved")


def test_the_kept_weights_load_and_score_as_they_did_in_training(
    undisturbed: tuple[Detector, Progress], project: Path, index: Index
) -> None:
    detector, progress = undisturbed
    detector.save(project / "model")
    kept = load_detector(project / "model")
    assert _weights(kept) == _weights(detector)
    measured, thresholds = loop.validate(kept, index)
    assert thresholds.plain() == progress.thresholds
    assert measured["val/mAP50"] == progress.best["val/mAP50"] == max(row["val/mAP50"] for row in progress.history)
    assert measured["val/loss"] == progress.best["val/loss"]
    assert loop.val_metrics(progress)["val"]["mAP50"] == measured["val/mAP50"]


def test_the_loss_falls(undisturbed: tuple[Detector, Progress]) -> None:
    losses = [row["train/loss"] for row in undisturbed[1].history]
    assert losses[-1] < losses[0]


def test_patience_is_over_after_so_many_validations_without_a_better_one(project: Path, index: Index) -> None:
    training = _training(index, project / "patient", patience=2)
    verdicts = []
    for mean, loss in ((0.5, 1.0), (0.4, 0.5), (0.6, 2.0), (0.6, 1.0), (0.6, 1.5), (0.5, 0.1)):
        measured = {"val/mAP50": mean, "val/loss": loss}
        if training._is_better(measured):
            training._keep_best(1, measured, THRESHOLDS)
        else:
            training.progress.validations_since_best += 1
        verdicts.append(training._is_over())
    assert verdicts == [False, False, False, False, False, True]
    assert training.progress.best["val/loss"] == 1.0


@pytest.mark.slow
def test_the_step_is_traced_once(project: Path, index: Index) -> None:
    training = _training(index, project / "once", steps=2)
    training.run(lambda step, values: None)
    assert training.train_step.experimental_get_tracing_count() == 1


def test_where_val_has_no_boxes_the_loss_says_which_weights_are_better(project: Path, index: Index) -> None:
    training, unknown = _training(index, project / "no boxes"), float("nan")
    training._keep_best(1, {"val/mAP50": unknown, "val/loss": 2.0}, THRESHOLDS)
    assert training._is_better({"val/mAP50": unknown, "val/loss": 1.0})
    assert not training._is_better({"val/mAP50": unknown, "val/loss": 3.0})


@pytest.mark.parametrize("batch_size", [pytest.param(8, marks=pytest.mark.slow), 16, 24, 32, 48])
def test_validations_are_as_many_as_epochs_ask_for(project: Path, index: Index, batch_size: int) -> None:
    training = _training(index, project / "schedule", validate_every=15, batch_size=batch_size)
    training.photos, training.steps_per_epoch = 340, 340 / batch_size
    for epochs, expected in ((60, [1, 2, 3, 4]), (50, [1, 2, 3, 4]), (15, [1]), (1, [1])):
        training.steps = pipeline_config.steps_of(
            training.train.model_copy(update={"steps": None, "epochs": epochs}), 340
        )
        validations = [training.validation_at(step) for step in range(1, training.steps + 1)]
        assert [number for number in validations if number] == expected
        assert validations[-1] == expected[-1]


def test_classes_in_another_order_than_the_records_have_are_refused(project: Path, index: Index) -> None:
    train = tiny_detector.train_params()
    swapped = Detector(tiny_detector.config(train), tiny_detector.CLASSES[::-1])
    refusal = "the TFRecords have the classes bright, dark, the detector dark, bright"
    with pytest.raises(UserError, match=refusal):
        loop.Training(swapped, index, train, project / "swapped")
    with pytest.raises(UserError, match=refusal):
        detect_split(swapped, index, "val")


def test_a_loss_that_is_no_number_is_refused_with_the_remedy(project: Path, index: Index) -> None:
    training = _training(index, project / "diverged")
    training._add_losses(1, {"train/loss": 1.0})
    for loss in (float("nan"), float("inf")):
        with pytest.raises(UserError, match=r"step 2.*lower train\.learning_rate"):
            training._add_losses(2, {"train/loss": loss})


def test_a_pipeline_file_whose_losses_do_not_fit_is_refused_by_name(project: Path, index: Index) -> None:
    train = tiny_detector.train_params()
    config = tiny_detector.config(train)
    config.model.ssd.box_predictor.convolutional_box_predictor.box_code_size = 7
    training = loop.Training(Detector(config, tiny_detector.CLASSES), index, train, project / "seven")
    with pytest.raises(UserError, match=r"configs/ssd_mobilenet_v1\.config cannot be trained: .*[47]"):
        training.run(lambda step, values: None)


@pytest.mark.slow
def test_gradients_are_clipped_where_the_pipeline_file_says_so(project: Path, index: Index) -> None:
    training = _training(
        index, project / "clipped", steps=1, optimizer="momentum", schedule="constant", learning_rate=1.0
    )
    training.detector.config.train_config.gradient_clipping_by_norm = 0.001
    before = [variable.numpy() for variable in training.trainable]
    training.run(lambda step, values: None)
    moved = sum(((old - new.numpy()) ** 2).sum() for old, new in zip(before, training.trainable, strict=True)) ** 0.5
    assert moved == pytest.approx(0.001, rel=0.01)


@pytest.mark.slow
def test_frozen_first_layers_keep_weights_and_statistics_and_the_others_learn(project: Path, index: Index) -> None:
    training = _training(index, project / "early", steps=2, freeze="early")
    backbone = training.detector.backbone
    before = {layer.name: [variable.numpy() for variable in layer.variables] for layer in backbone.layers}
    training.run(lambda step, values: None)
    same = {
        layer.name: all(np.array_equal(old, new) for old, new in zip(before[layer.name], layer.variables, strict=True))
        for layer in backbone.layers
        if layer.variables
    }
    names = list(same)
    border = names.index("conv_dw_6")
    assert names[:2] == ["conv1", "conv1_bn"]
    assert all(same[name] for name in names[:border])
    assert not any(same[name] for name in names[border:])
    learning = {variable.name for variable in training.trainable}
    patterns = training.detector.config.train_config.freeze_variables
    for variable in training.detector.model.trainable_variables:
        assert (variable.name in learning) != any(re.match(pattern, variable.name) for pattern in patterns)


@pytest.mark.slow
def test_a_frozen_backbone_stays_and_the_rest_learns(project: Path, index: Index) -> None:
    training = _training(index, project / "frozen", steps=2, freeze="backbone")
    backbone = [variable.numpy() for variable in training.detector.backbone.variables]
    heads = [variable.numpy() for variable in training.detector.model._box_predictor.variables]
    training.run(lambda step, values: None)
    for old, new in zip(backbone, training.detector.backbone.variables, strict=True):
        np.testing.assert_array_equal(old, new.numpy())
    after = [variable.numpy() for variable in training.detector.model._box_predictor.variables]
    assert any((old != new).any() for old, new in zip(heads, after, strict=True))


@pytest.mark.slow
def test_several_resolutions_with_a_validation_between_them_repeat(project: Path, index: Index) -> None:
    """Steps at both resolutions, the second of which may be traced after the first validation."""
    weights = []
    for name in ("scales", "scales again"):
        training = _training(index, project / name, multi_scale=(96,), copy_paste=0.5, steps=6, assignment="atss")
        seen = {batch["image"].shape[1] for batch in training.batches().take(6)}
        assert seen == {96, tiny_detector.SIDE}
        training.run(lambda step, values: None)
        weights.append(_weights(training.detector))
    assert weights[0] == weights[1]
