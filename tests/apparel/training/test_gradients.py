"""Gradients of a batch and of its branches."""

import numpy as np
import pytest
import tensorflow as tf

from apparel.models.detector import Detector
from apparel.training.gradients import losses_and_gradients, trainable_variables
from apparel.training.input_pipeline import training_batches
from apparel.training.replicas import Replicas
from tests.support import tiny_detector
from tests.support.repository import ROOT

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("gradients")


@pytest.fixture
def step(folder, monkeypatch):
    """Losses, gradients and change of the statistics of a step, by name, with these branches."""
    monkeypatch.chdir(folder)
    if not (folder / "configs").exists():
        (folder / "configs").symlink_to(ROOT / "configs")
        tiny_detector.records(folder)

    def run(replicas: int, photos: slice = slice(None), **changes) -> tuple[dict, list, list]:
        from apparel import paths
        from apparel.data.index import read_index

        train = tiny_detector.train_params(**changes)
        tf.keras.utils.set_random_seed(0)
        config = tiny_detector.config(train)
        detector = Detector(config, tiny_detector.CLASSES)
        trainable = trainable_variables(detector, train.freeze)
        statistics = [one for one in detector.model.variables if "moving" in one.name]
        before = [one.numpy() for one in statistics]
        batch = next(iter(training_batches(read_index(paths.TFRECORD), config, train, share=photos)))
        made = tf.function(
            lambda: losses_and_gradients(detector, trainable, batch, Replicas(replicas)), autograph=False
        )
        losses, total, gradients = made()
        moved = [one.numpy() - old for one, old in zip(statistics, before, strict=True)]
        return losses | {"total": total}, gradients, moved

    return run


@pytest.mark.parametrize("changes", [{}, {"classification_loss": "focal", "assignment": "atss"}])
def test_branches_have_the_gradients_of_the_whole_batch_where_statistics_are_frozen(step, changes):
    whole, branches = (step(replicas, freeze="batch_norm", **changes) for replicas in (1, 2))
    assert whole[0].keys() == branches[0].keys()
    for name, loss in whole[0].items():
        assert float(branches[0][name]) == pytest.approx(float(loss), rel=1e-5), name
    assert len(whole[1]) == len(branches[1])
    for one, other in zip(whole[1], branches[1], strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-3, atol=1e-5 * np.abs(one).max() + 1e-8)
    assert not any(np.any(change) for change in branches[2])


def test_statistics_move_by_the_mean_of_the_branches(step):
    first, second = (step(1, photos, batch_size=4)[2] for photos in (slice(0, 2), slice(2, 4)))
    both = step(2, batch_size=4)[2]
    assert any(np.any(change) for change in both)
    for one, other, mean in zip(first, second, both, strict=True):
        np.testing.assert_allclose(mean, (one + other) / 2, rtol=1e-3, atol=1e-5)
