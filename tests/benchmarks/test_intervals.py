import numpy as np
import pytest

from benchmarks import intervals
from benchmarks.simulated_photos import SETTINGS, population


@pytest.fixture(scope="module")
def good():
    return population(SETTINGS["good"], seed=1)


def test_intervals_of_a_good_detector_contain_the_truth_where_a_bootstrap_misses_it(good):
    ours, bootstrap = intervals._simulate(good, 26, 60, 1, lambda: None)
    assert [coverage.count > 50 for coverage in ours.figures] == [True] * 4
    assert min(coverage.share for coverage in ours.figures) > 0.9
    assert max(coverage.share for coverage in bootstrap.figures[:-1]) < 0.7
    assert max(coverage.alarms for coverage in ours.differences) < 0.1


def test_both_detectors_have_the_same_average_precision(good):
    first, second = intervals._score(good)
    np.testing.assert_allclose(first.values, second.values, atol=1e-12)
    better = population(SETTINGS["six, other model better"], seed=1)
    first, second = intervals._score(better)
    assert (second.values > first.values + 0.05).all()


def test_the_bootstrap_is_that_of_copied_photos():
    photo_indices, is_true = np.array([0, 1, 1, 2]), np.array([True, False, True, True])
    times = np.array([[1, 1, 1], [2, 0, 1], [0, 2, 1], [3, 0, 0]])
    sampled = intervals._resampled(photo_indices, is_true, np.array([1, 1, 2]), times)
    # Two copies of photo 1: false, false, true, true, then photo 2: 2/4 and 3/5, highest from there on 3/5.
    assert sampled.tolist() == pytest.approx([(1 + 3 / 4 + 3 / 4) / 4, 3 / 4, 3 * (3 / 5) / 4, 1])


def test_the_table_has_a_row_for_each_size(monkeypatch):
    monkeypatch.setattr(intervals, "QUICK_SETS", 3)
    lines = intervals.measure(True, 0, ["one", "six, other model better"]).splitlines()
    rows = [line for line in lines if line.startswith(("| one", "| six"))]
    assert [row.split(" | ")[1] for row in rows] == ["20", "100", "20", "100"]
    assert all(row.count("|") == lines[2].count("|") for row in rows)
