import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from apparel.evaluation import intervals, metrics
from tests.support.box_tables import (
    CLASSES,
    LEFT,
    detection_row_lists,
    detection_table,
    truth_row_lists,
    truth_table,
)

PHOTOS = "pqrs"

verdict_lists = st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=1, max_size=15)
box_count_lists = st.lists(st.integers(0, 3), min_size=5, max_size=5)


def score(truth_rows, detection_rows, photos=PHOTOS, difficult=()):
    ground_truth = truth_table(*truth_rows)
    ground_truth["difficult"] = [place in difficult for place in range(len(truth_rows))]
    matched = metrics.match_detections(ground_truth, detection_table(*detection_rows))
    return intervals.average_precision(photos, ground_truth, matched, CLASSES)


def of_photos(found, missed=0, wrong=0):
    """A class with one box a photo, found or missed, and false positives behind all of them on the first photos."""
    verdicts = [True] * found + [False] * wrong
    photo_indices = np.array([*range(found), *range(wrong)], int)
    return intervals.of_class(photo_indices, np.array(verdicts, bool), np.ones(found + missed, int))


def limits(scored):
    return pytest.approx((scored.low[0], scored.high[0]))


def weighted_average_precision(rows, box_counts, weights):
    """The slow way: precision and its envelope at each detection, of weighted photos."""
    total, true, precisions = 0.0, 0.0, []
    for photo, is_true in rows:
        total, true = total + weights[photo], true + weights[photo] * is_true
        precisions.append(true / total)
    area = sum(weights[photo] * is_true * max(precisions[place:]) for place, (photo, is_true) in enumerate(rows))
    return area / sum(weight * count for weight, count in zip(weights, box_counts, strict=True))


@settings(max_examples=25)
@given(verdict_lists, box_count_lists)
def test_influence_is_the_derivative_with_respect_to_the_weight_of_a_photo(rows, box_counts):
    assume(sum(box_counts))
    precisions = np.cumsum([is_true for _, is_true in rows]) / np.arange(1, len(rows) + 1)
    assume(len(set(precisions.round(9))) == len(rows))  # where two are equal, there is no derivative
    value, influence = intervals._influence(
        np.array([photo for photo, _ in rows]), np.array([is_true for _, is_true in rows], float), np.array(box_counts)
    )
    assert value == pytest.approx(weighted_average_precision(rows, box_counts, np.ones(5)))
    for photo, step in enumerate(1e-6 * np.eye(5)):
        above, below = (weighted_average_precision(rows, box_counts, 1 + change) for change in (step, -step))
        assert influence[photo] == pytest.approx((above - below) / 2e-6, abs=1e-6)


def test_a_true_positive_does_not_count_in_its_own_precision():
    verdicts = [True, False, True, True, False, False, True]
    # Of the detections before each: none, so 1; 1 of 2, 2 of 3, 3 of 6.
    assert intervals._unbiased(np.array(verdicts), 5) == pytest.approx((1 + 1 / 2 + 2 / 3 + 3 / 6) / 5)


def test_average_precision_on_few_photos_is_less_biased():
    random = np.random.default_rng(0)
    truth = 0.2  # scores say nothing, and a fifth of the detections is right
    figures = []
    for _ in range(300):
        is_true = random.random(50) < truth
        boxes = np.ones(is_true.sum(), int)
        scored = intervals.of_class(np.arange(50) % len(boxes), is_true, boxes)
        figures.append((scored.values[0], scored.unbiased[0]))
    value, unbiased = np.mean(figures, axis=0)
    assert value > truth + 0.06
    assert abs(unbiased - truth) < 0.035


@pytest.mark.parametrize("photos", [1, 5, 100])
def test_all_or_none_found_leaves_room_on_one_side(photos):
    assert limits(of_photos(photos)) == (stats.beta.ppf(0.025, photos + 0.4, 0.6), 1)
    assert limits(of_photos(0, photos)) == (0, stats.beta.ppf(0.975, 0.6, photos + 0.4))


def test_half_of_the_boxes_found():
    # The influence of a photo is ±0.05; times 1 / (1 - 0.1), as each has a tenth of the boxes, times 10 / 9 photos.
    variance = 10 * 0.05**2 / 0.9 * 10 / 9
    found = 0.25 / variance / 2
    assert limits(of_photos(5, 5)) == tuple(
        stats.beta.ppf([0.025, 0.975], [found + 0.4, found + 0.6], found + 0.5 + np.array([0.1, -0.1]))
    )


@settings(max_examples=25)
@given(truth_row_lists, detection_row_lists, st.sets(st.integers(0, 11)), st.randoms())
def test_the_interval_contains_the_figure_and_the_order_of_photos_and_rows_has_no_effect(
    truth_rows, detection_rows, difficult, random
):
    scored = score(truth_rows, detection_rows, difficult=difficult)
    figures = metrics.average_precision(
        truth_table(*((*row, "difficult") if place in difficult else row for place, row in enumerate(truth_rows))),
        detection_table(*detection_rows),
        CLASSES,
    )
    assert scored.values.tolist() == pytest.approx(list(figures.values()), nan_ok=True)
    defined = ~np.isnan(scored.values)
    assert (scored.photos > 0).tolist() == defined.tolist()
    low, value, high = scored.low[defined], scored.values[defined], scored.high[defined]
    assert ((low >= 0) & (low <= value) & (value <= high) & (high <= 1)).all()
    assert (high - low > 0.05).all()  # four photos say little
    assert np.isnan(scored.low[~defined]).all() and np.isnan(scored.high[~defined]).all()
    mean_low, mean_high = intervals.mean_interval(scored)
    if defined.any():
        assert 0 <= mean_low <= value.mean() <= mean_high <= 1
    else:
        assert np.isnan([mean_low, mean_high]).all()
    order = random.sample(range(len(truth_rows)), len(truth_rows))
    shuffled = score(
        [truth_rows[place] for place in order],
        random.sample(detection_rows, len(detection_rows)),
        PHOTOS[::-1],
        {new for new, place in enumerate(order) if place in difficult},
    )
    assert shuffled.low.tolist() == pytest.approx(scored.low.tolist(), nan_ok=True)
    assert shuffled.high.tolist() == pytest.approx(scored.high.tolist(), nan_ok=True)


def test_more_photos_and_fewer_classes_narrow_it_as_they_should():
    few, many = of_photos(16, 4, 3), of_photos(160, 40, 30)
    widths = [scored.high[0] - scored.low[0] for scored in (few, many)]
    assert 0.25 < widths[1] / widths[0] < 0.4  # about 1 / sqrt(10)
    assert intervals.mean_interval(few) == (few.low[0], few.high[0])
    low, high = intervals.mean_interval(intervals.stack([few] * 4))
    assert high - low > widths[0] * 0.9  # the same photos in all classes: nothing is gained


def test_photos_without_boxes_count_by_their_false_positives():
    boxes = np.array([1] * 10 + [0] * 10)
    true, wrong = np.arange(10), np.arange(10, 20)
    spread = intervals.of_class(np.concatenate([wrong, true]), np.arange(20) >= 10, boxes)
    on_one = intervals.of_class(np.concatenate([wrong * 0 + 10, true]), np.arange(20) >= 10, boxes)
    assert spread.values == on_one.values
    assert on_one.low[0] < spread.low[0] and on_one.high[0] > spread.high[0]


def test_a_class_without_ground_truth_has_no_interval_and_no_part_in_the_mean():
    rows = [("p", "Tops", LEFT), ("q", "Tops", LEFT)]
    scored = score(rows, [("p", "Tops", 0.9, LEFT), ("p", "Skirts", 0.9, LEFT)])
    assert np.isnan(scored.values[:2]).all() and np.isnan(scored.low[:2]).all()
    assert intervals.mean_interval(scored) == (scored.low[2], scored.high[2])
    assert np.isnan(intervals.difference_intervals(scored, scored)[:2]).all()


def test_boxes_on_a_photo_that_is_not_scored_are_refused():
    with pytest.raises(ValueError, match="'p'"):
        score([("p", "Tops", LEFT)], [], "qrs")


@settings(max_examples=25)
@given(truth_row_lists, detection_row_lists, detection_row_lists)
def test_differences_contain_the_figure_and_change_sign_with_the_order_of_the_models(truth_rows, rows, other_rows):
    first, second = score(truth_rows, rows), score(truth_rows, other_rows)
    limits = intervals.difference_intervals(first, second)
    differences = second.values - first.values
    defined = ~np.isnan(differences)
    assert (np.isnan(limits[:-1]).any(axis=1) == ~defined).all()
    assert (limits[:-1, 0][defined] <= differences[defined] + 1e-12).all()
    assert (limits[:-1, 1][defined] >= differences[defined] - 1e-12).all()
    assert np.nan_to_num(limits).min() >= -1 and np.nan_to_num(limits).max() <= 1
    turned = intervals.difference_intervals(second, first)
    np.testing.assert_allclose(-turned[:, ::-1], limits, atol=1e-9)


def test_two_models_without_an_error_may_differ():
    # Newcombe: without correlation, the distance to the lower limit of one model.
    alone = of_photos(10)
    (low, high), mean = intervals.difference_intervals(alone, alone)
    assert (low, high) == pytest.approx((alone.low[0] - 1, 1 - alone.low[0]))
    assert mean.tolist() == [low, high]


def test_what_both_models_find_and_miss_does_not_blur_their_difference():
    def found(photos):
        return intervals.of_class(np.array(photos), np.ones(len(photos), bool), np.ones(60, int))

    alike = intervals.difference_intervals(found(range(30)), found(range(34)))[0]
    apart = intervals.difference_intervals(found(range(30)), found(range(26, 60)))[0]
    assert np.diff(alike) < 0.6 * np.diff(apart)
    assert alike[0] < 4 / 60 < alike[1]


def test_intervals_contain_a_high_and_a_low_truth_as_often_as_they_say():
    random = np.random.default_rng(3)
    for truth, rate in ((0.97, 0.0), (0.5, 0.0), (0.03, 0.0), (0.3, 1.5)):
        outside = []
        for _ in range(300):
            found = np.flatnonzero(random.random(30) < truth)
            wrong = random.integers(0, 30, round(rate * 30 * truth))
            # Scores that say nothing: recall times precision is the truth.
            order = random.permutation(len(found) + len(wrong))
            verdicts = (np.arange(len(order)) < len(found))[order]
            scored = intervals.of_class(np.concatenate([found, wrong])[order], verdicts, np.ones(30, int))
            figure = truth / (1 + rate)
            outside.append((figure < scored.low[0], figure > scored.high[0]))
        above, below = np.mean(outside, axis=0)
        assert above + below <= 0.09, (truth, rate)
        assert max(above, below) <= 0.07, (truth, rate)
