"""bfloat16 in training only: weights, losses, validations and exports stay float32."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from apparel.models import inputs
from apparel.models.detector import Detector, load_detector, total_loss
from apparel.models.tfod import precision
from apparel.training import loop
from tests.support import tiny_detector
from tests.support.repository import ROOT


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> tuple[Detector, list[dict], dict]:
    """A detector after two steps in bfloat16, their metrics, and photos of val."""
    folder = tmp_path_factory.mktemp("precision")
    (folder / "configs").symlink_to(ROOT / "configs")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        index = tiny_detector.records(Path(), 12)
        train = tiny_detector.train_params(precision="bfloat16")
        detector = Detector(tiny_detector.config(train), index.classes)
        training = loop.Training(detector, index, train, folder / "checkpoints")
        metrics = [training.train_step(batch) for batch in training.batches().take(2)]
        return detector, metrics, next(iter(inputs.evaluation_batches(index, detector.config, "val", 4)))


def _loss(detector: Detector, photos: dict) -> tuple[float, set]:
    """The loss of a training step, and what its convolutions compute in."""
    function = tf.function(lambda: total_loss(detector.losses(photos, training=True)[0]), autograph=False)
    operations = function.get_concrete_function().graph.get_operations()
    return float(function()), {node.outputs[0].dtype for node in operations if node.type.endswith("Conv2D")}


@pytest.mark.slow
def test_steps_have_finite_losses_in_float32_and_leave_weights_in_float32(trained) -> None:
    detector, metrics, _ = trained
    assert {value.dtype for values in metrics for value in values.values()} == {tf.float32}
    assert all(np.isfinite(value) for values in metrics for value in values.values())
    assert metrics[0]["train/loss"] != metrics[1]["train/loss"]
    assert {variable.dtype for variable in detector.model.variables} == {tf.float32}
    assert all(np.isfinite(variable).all() for variable in detector.model.variables)


@pytest.mark.slow
def test_the_loss_is_near_that_of_float32(trained) -> None:
    detector, _, photos = trained
    ours, kinds = _loss(detector, photos)
    assert kinds == {tf.bfloat16, tf.float32}  # backbone and heads
    detector.config.train_config.use_bfloat16 = False
    precision.compute_in_bfloat16(detector.model, False)
    try:
        theirs, kinds = _loss(detector, photos)
    finally:
        detector.config.train_config.use_bfloat16 = True
    assert kinds == {tf.float32}
    assert ours == pytest.approx(theirs, rel=0.02)
    assert ours != theirs


@pytest.mark.slow
def test_detections_are_those_of_a_float32_network_with_the_weights(trained, tmp_path: Path) -> None:
    detector, _, photos = trained
    graph = detector._evaluate_function.get_concrete_function(photos).graph
    assert all(value.dtype != tf.bfloat16 for node in graph.get_operations() for value in node.outputs)
    loss, detections = detector.evaluate(photos)
    detector.save(tmp_path / "model")
    loss_again, again = load_detector(tmp_path / "model").evaluate(photos)
    np.testing.assert_array_equal(loss, loss_again)
    for ours, theirs in zip(detections, again, strict=True):
        np.testing.assert_array_equal(ours, theirs)
