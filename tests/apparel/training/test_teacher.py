"""Teacher of unlabelled photos: ramp-up, thresholds, averaged weights, and trainings that repeat and resume."""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from apparel.data.index import Index
from apparel.errors import UserError
from apparel.models.detector import Detector
from apparel.models.tfod import determinism
from apparel.training import loop, pseudo_labels, teacher
from tests.support import tiny_detector


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with tiny_detector.project(tmp_path_factory.mktemp("teacher")) as folder:
        yield folder


@pytest.fixture(scope="module")
def index(project: Path) -> Index:
    return tiny_detector.records(project, unlabelled=8)


def training(index: Index, folder: Path, **changes) -> loop.Training:
    changes = {"teacher": "mean", "moving_average": 0.9, "ramp_up_fraction": 0.5, "batch_size": 2} | changes
    train = tiny_detector.train_params(**changes)
    tf.keras.backend.clear_session()  # the variables of a second model would have other names
    determinism.enable(train.seed)
    return loop.Training(Detector(tiny_detector.config(train), tiny_detector.CLASSES), index, train, folder)


def test_the_weight_rises_as_the_paper_has_it(project: Path, index: Index) -> None:
    train = tiny_detector.train_params(teacher="labels", ramp_up_fraction=0.5, unlabelled_weight=2.0)
    made = teacher.Teacher(None, index, train, [], steps=100)
    weights = [float(made.weight(tf.constant(step))) for step in (0, 25, 50, 90)]
    assert weights == pytest.approx([2 * math.exp(-5), 2 * math.exp(-1.25), 2, 2])
    at_once = teacher.Teacher(None, index, train.model_copy(update={"ramp_up_fraction": 0.0}), [], steps=100)
    assert float(at_once.weight(tf.constant(0))) == 2


def test_thresholds_move_to_as_many_boxes_a_photo_as_labelled_photos_have(project: Path, index: Index) -> None:
    """Of both classes, the six photos of train have half a box each."""
    made = teacher.Teacher(None, index, tiny_detector.train_params(teacher="mean"), [], steps=100)
    thresholds = made.state["teacher_thresholds"]
    np.testing.assert_allclose(thresholds, [0.6, 0.6])
    made._move_thresholds(tf.constant([[2.0, 1.0], [0.0, 0.0]]))  # a half too many of the first
    np.testing.assert_allclose(thresholds, [0.61, 0.6])
    made._move_thresholds(tf.constant([[0.0, 0.0], [0.0, 3.0]]))  # a half too few, and one too many
    np.testing.assert_allclose(thresholds, [0.6, 0.62])
    for _ in range(100):
        made._move_thresholds(tf.constant([[0.0, 9.0]]))
    np.testing.assert_allclose(thresholds, [0.6, 0.99])


def test_records_without_unlabelled_photos_or_labels_are_refused(project: Path, index: Index) -> None:
    train = tiny_detector.train_params(teacher="labels")
    with pytest.raises(UserError, match="no unlabelled photos; run `dvc repro`"):
        teacher.Teacher(None, Index(index.classes, {"train": index.splits["train"]}), train, [], 1)
    with pytest.raises(UserError, match=r"no unlabelled photo that is used has a box .* `dvc add` their folder"):
        without = index.splits | {"unlabelled": index.splits["train"].__class__(4, 0, {}, 0, ())}
        teacher.Teacher(None, Index(index.classes, without), train, [], 1)
    assert teacher.teacher_of(None, index, tiny_detector.train_params(), [], 1) is None


def test_the_mean_teacher_detects_with_the_averaged_weights_and_leaves_the_students(
    project: Path, index: Index
) -> None:
    made = training(index, project / "averaged")
    variables = made.detector.model.variables
    for number, (average, variable) in enumerate(zip(made.averages, variables, strict=True)):
        average.assign(variable + 0.01 * (number % 3))
    before = [variable.numpy() for variable in variables]
    batch = next(iter(made.batches()))["unlabelled"]
    detections = tf.function(made.teacher._detect, autograph=False)(batch["weak"], batch["weak_shape"])
    for old, variable in zip(before, variables, strict=True):
        np.testing.assert_array_equal(old, variable)
    with made._averaged_weights():
        expected = made.detector.detect(batch["weak"], batch["weak_shape"])
    plain = made.detector.detect(batch["weak"], batch["weak_shape"])
    np.testing.assert_array_equal(detections.scores, expected.scores)
    np.testing.assert_array_equal(detections.boxes, expected.boxes)
    assert not np.array_equal(detections.scores, plain.scores)


def run(index: Index, folder: Path, name: str, kill_at: int | None = None) -> tuple[list[bytes], list[dict]]:
    """Six steps with a validation after every third."""
    made = training(index, folder, teacher=name, unlabelled_ratio=1.5, teacher_threshold=0.0)

    def report(step: int, values: dict) -> None:
        if step == kill_at and "val/mAP50" not in values:
            raise tiny_detector.Killed

    progress = made.run(report)
    return [variable.numpy().tobytes() for variable in made.detector.model.variables], progress.history


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Detections of any score are looked at, since a few steps give none of a high one."""
    monkeypatch.setattr(pseudo_labels, "LOWEST_SCORE", 0.0)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mean", "labels"])
def test_a_training_with_a_teacher_repeats_and_resumes_bit_for_bit(
    project: Path, index: Index, hasty: None, name: str
) -> None:
    weights, history = run(index, project / name, name)
    with pytest.raises(tiny_detector.Killed):
        run(index, project / f"{name} killed", name, kill_at=5)
    assert run(index, project / f"{name} killed", name) == (weights, history)
    assert history[0]["train/pseudo_boxes"] > 0 and history[0]["train/unlabelled_loss"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{"assignment": "dynamic", "classification_loss": "focal"}, {"freeze": "early"}])
def test_other_losses_and_frozen_layers_go_with_a_mean_teacher(
    project: Path, index: Index, hasty: None, changes: dict
) -> None:
    folder = project / "-".join(changes)
    made = training(index, folder, steps=1, class_balance="loss", teacher_threshold=0.0, **changes)
    values = {}
    made.run(lambda step, measured: values.update(measured))
    assert values["train/unlabelled_loss"] > 0 and values["train/pseudo_boxes"] > 0
