import numpy as np
import pytest

from benchmarks import intervals
from benchmarks.simulated_photos import POPULATION, SETTINGS, population


@pytest.fixture(scope="module")
def good():
    return population(SETTINGS["good"], seed=1)


def test_boxes_are_as_frequent_and_as_often_detected_as_the_setting_says(good):
    for simulated, counts, (detected, _) in zip(SETTINGS["good"].classes, good.box_counts, good.verdicts, strict=True):
        assert (counts > 0).mean() == pytest.approx(simulated.share, abs=0.02)
        assert detected.is_true.sum() / counts.sum() == pytest.approx(simulated.recall, abs=0.01)
        assert (~detected.is_true).sum() / POPULATION == pytest.approx(simulated.wrong, abs=0.02)


def test_a_drawn_photo_has_its_boxes_and_detections_as_often_as_it_was_drawn(good):
    alone, twice = good.drawn(np.array([7])), good.drawn(np.array([7, 3, 7]))
    assert twice.box_counts[:, 1:].tolist() == np.repeat(alone.box_counts, 2, axis=1).tolist()
    for (once, _), (double, _) in zip(alone.verdicts, twice.verdicts, strict=True):
        for photo in (1, 2):
            assert double.is_true[double.photo_indices == photo].tolist() == once.is_true.tolist()


def test_all_photos_drawn_once_have_the_average_precision_of_the_population(good):
    drawn = good.drawn(np.arange(good.box_counts.shape[1])[::-1])
    np.testing.assert_allclose(intervals._score(drawn)[0].values, intervals._score(good)[0].values)
