import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apparel.evaluation import bootstrap, metrics
from tests.support.box_tables import (
    CLASSES,
    LEFT,
    RIGHT,
    detection_row_lists,
    detection_table,
    truth_row_lists,
    truth_table,
)


def one_by_one(names, ground_truth, detections, times):
    """The slow way: the drawn photos' tables, copied and matched again."""
    copies = [
        (name, f"{name}{copy}") for name, count in zip(sorted(names), times, strict=True) for copy in range(count)
    ]

    def drawn(table):
        parts = [table[table["filename"] == name].assign(filename=copy) for name, copy in copies]
        return pd.concat([table.iloc[:0], *parts])

    return metrics.average_precision(drawn(ground_truth), drawn(detections), CLASSES)


@settings(max_examples=25)
@given(truth_row_lists, detection_row_lists, st.sets(st.integers(0, 11)))
def test_equals_average_precision_of_the_copied_photos(truth_rows, detection_rows, difficult):
    ground_truth, detections = truth_table(*truth_rows), detection_table(*detection_rows)
    ground_truth["difficult"] = [place in difficult for place in range(len(truth_rows))]
    matched = metrics.match_detections(ground_truth, detections)
    samples = bootstrap.average_precision("pqrs", ground_truth, matched, CLASSES, samples=3, seed=5)
    for times, values in zip(np.concatenate(list(bootstrap._draw_photo_counts(4, 3, 2, seed=5))), samples, strict=True):
        expected = one_by_one("pqrs", ground_truth, detections, times)
        assert values.tolist() == pytest.approx(list(expected.values()), nan_ok=True)


def tables():
    names = [f"{number:03}" for number in range(60)]
    ground_truth = truth_table(*((name, CLASSES[place % 3], LEFT) for place, name in enumerate(names)))
    detections = detection_table(
        *(
            (name, CLASSES[place % 3], 0.9 - place / 100, RIGHT if place % 4 else LEFT)
            for place, name in enumerate(names)
        )
    )
    return names, ground_truth, metrics.match_detections(ground_truth, detections)


def test_samples_depend_on_the_seed_but_not_on_order_or_chunks(monkeypatch):
    names, ground_truth, matched = tables()
    first = bootstrap.average_precision(names, ground_truth, matched, CLASSES, 50, seed=1)
    assert first.shape == (50, 3)
    again = bootstrap.average_precision(names[::-1], ground_truth[::-1], matched, CLASSES, 50, seed=1)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, bootstrap.average_precision(names, ground_truth, matched, CLASSES, 50, seed=2))
    monkeypatch.setattr(bootstrap, "MAX_ARRAY_SIZE", 60 * 7)
    np.testing.assert_array_equal(first, bootstrap.average_precision(names, ground_truth, matched, CLASSES, 50, seed=1))


def test_interval_contains_the_figure_and_widens_with_confidence():
    names, ground_truth, matched = tables()
    samples = bootstrap.average_precision(names, ground_truth, matched, CLASSES, 400)[:, 0]
    low, high = bootstrap.interval(samples)
    figure = metrics.precision_recall_curves(ground_truth, matched, CLASSES)["Dresses"].average_precision
    assert low < figure < high
    assert bootstrap.interval(samples, 0.5)[0] > low


def test_interval_is_between_percentiles():
    assert bootstrap.interval(np.append(np.arange(101.0), np.nan)) == pytest.approx((2.5, 97.5))
    assert np.isnan(bootstrap.interval(np.array([np.nan]))).all()


def test_detections_on_difficult_boxes_are_left_out():
    ground_truth = truth_table(("a", "Tops", LEFT), ("a", "Tops", RIGHT, "difficult"))
    matched = metrics.match_detections(
        ground_truth, detection_table(("a", "Tops", 0.9, RIGHT), ("a", "Tops", 0.8, LEFT))
    )
    assert (bootstrap.average_precision("a", ground_truth, matched, ["Tops"], 5) == 1.0).all()


def test_photos_without_boxes_are_drawn_too():
    ground_truth = truth_table(("a", "Tops", LEFT))
    matched = metrics.match_detections(
        ground_truth, detection_table(("a", "Tops", 0.9, LEFT), ("b", "Tops", 0.95, LEFT))
    )
    samples = bootstrap.average_precision("ab", ground_truth, matched, ["Tops"], 200)[:, 0]
    # b alone has no ground truth, a alone has no false positive, both have one before the true one.
    assert set(samples[~np.isnan(samples)]) == {0.5, 1.0}
    assert np.isnan(samples).any()


def test_mean_leaves_out_classes_that_a_sample_lacks():
    values = np.array([[1.0, np.nan, 0.5], [np.nan] * 3])
    assert bootstrap.mean_over_classes(values).tolist() == pytest.approx([0.75, np.nan], nan_ok=True)


def test_boxes_on_a_photo_that_is_not_scored_are_refused():
    _, ground_truth, matched = tables()
    with pytest.raises(ValueError, match="'000'"):
        bootstrap.average_precision(["001"], ground_truth, matched, CLASSES, 10)
