import numpy as np
import pandas as pd
import pytest

from apparel.analysis import compare, compare_page
from apparel.analysis.compare import BETTER, SAME, WORSE
from apparel.classes import ALL
from apparel.errors import UserError
from apparel.evaluation import intervals, metrics
from tests.support.box_tables import LEFT, RIGHT, detection_table, truth_table
from tests.support.result_sets import NAMES, finds, result_set


def row(compared, name=ALL, at=1):
    table = compared.table
    return table[(table["class"] == name) & (table["result"] == at)].iloc[0]


def test_the_same_results_are_the_same():
    compared = compare.compare([result_set("a", finds(NAMES[:20])), result_set("b", finds(NAMES[:20]))])
    assert set(compared.table["verdict"]) == {SAME}
    assert (compared.table["difference"] == 0).all()
    assert compare.changed_photos(compared).empty
    assert compared.notes == [] and compared.changes == []


def test_results_whose_code_is_not_recorded_are_named_since_their_code_seems_the_same():
    compared = compare.compare([result_set("a", finds(NAMES[:20]), code={}), result_set("b", finds(NAMES[:20]))])
    assert compared.notes == ["Which code ran is not recorded for a: `apparel trace` says why."]


@pytest.mark.parametrize("order, expected", [((10, 30), BETTER), ((30, 10), WORSE)])
def test_a_large_difference_is_better_or_worse(order, expected):
    compared = compare.compare([result_set(str(count), finds(NAMES[:count])) for count in order])
    assert row(compared)["verdict"] == row(compared, "Tops")["verdict"] == expected
    assert abs(row(compared)["difference"]) == pytest.approx(2 / 3)
    assert len(compare.changed_photos(compared)) == 20


def test_one_more_photo_is_unclear():
    compared = compare.compare([result_set("a", finds(NAMES[:20])), result_set("b", finds(NAMES[1:22]))])
    assert row(compared)["verdict"] == compare.UNCLEAR
    assert row(compared)["low"] < 0 < row(compared)["high"]


def test_figures_are_those_of_the_metric_and_of_paired_intervals():
    results = [result_set("a", finds(NAMES[:20], NAMES[5:10])), result_set("b", finds(NAMES[8:28], NAMES[:3]))]
    compared = compare.compare(results)
    scored = []
    for position, result in enumerate(results):
        expected = metrics.average_precision(result.ground_truth, result.detections, ["Tops"])["Tops"]
        assert row(compared, "Tops", position)["AP50"] == pytest.approx(expected)
        matched = metrics.match_detections(result.ground_truth, result.detections)
        scored.append(intervals.average_precision(NAMES, result.ground_truth, matched, ["Tops"]))
    expected = intervals.difference_intervals(*scored)[0]
    assert list(row(compared, "Tops")[["low", "high"]]) == pytest.approx(list(expected))


def test_two_models_without_an_error_are_not_the_same():
    both = [result_set(name, finds(NAMES).assign(score=score)) for name, score in (("a", 0.8), ("b", 0.9))]
    compared = compare.compare(both)
    assert row(compared)["difference"] == 0
    assert row(compared)["verdict"] == compare.UNCLEAR
    assert row(compared)["low"] < 0 < row(compared)["high"]


def test_only_photos_of_the_same_name_and_content_are_shared():
    other = [f"{name}.png" for name in NAMES[:5]]
    contents = ["0"] * 28 + ["1"] * 2
    compared = compare.compare(
        [result_set("a", finds(NAMES), NAMES, sha256=contents), result_set("b", finds(NAMES + other), NAMES + other)]
    )
    assert compared.photos["filename"].tolist() == NAMES[:28]
    assert row(compared)["boxes"] == 28
    (note,) = compared.notes
    assert "28 test photos" in note and "a on 30" in note and "b on 35" in note


def test_what_was_judged_is_named():
    of_fold = [result_set(name, finds(NAMES), split="val") for name in "ab"]
    assert compare.photos_text(compare.compare(of_fold)) == "30 val photos"
    assert compare.photos_text(compare.compare([result_set(name, finds(NAMES)) for name in "ab"])) == "30 test photos"


def test_nothing_in_common_is_refused():
    with pytest.raises(UserError, match="different photos"):
        compare.compare([result_set("a", finds(NAMES)), result_set("b", finds(NAMES), sha256="1")])
    with pytest.raises(UserError, match="no class"):
        compare.compare([result_set("a", finds([]), classes=["Skirts"]), result_set("b", finds(NAMES))])


def test_changed_ground_truth_is_noted_and_the_last_one_is_used():
    moved = truth_table(*((name, "Tops", RIGHT if name == NAMES[0] else LEFT) for name in NAMES))
    compared = compare.compare([result_set("a", finds(NAMES)), result_set("b", finds(NAMES), ground_truth=moved)])
    assert "differ on 1 photos" in compared.notes[0] and "b" in compared.notes[0]
    assert row(compared, at=0)["AP50"] == row(compared)["AP50"] < 1


def test_classes_that_one_result_set_lacks_are_left_out():
    both = detection_table((NAMES[0], "Skirts", 0.9, LEFT), (NAMES[0], "Tops", 0.9, LEFT))
    compared = compare.compare([result_set("a", both, classes=["Skirts", "Tops"]), result_set("b", finds(NAMES))])
    assert compared.classes == ["Tops"]
    assert "a has more" in compared.notes[0]


def test_a_class_without_boxes_has_no_verdict():
    results = [
        result_set(name, finds(NAMES[:count]), classes=["Skirts", "Tops"]) for name, count in (("a", 9), ("b", 29))
    ]
    compared = compare.compare(results)
    assert row(compared, "Skirts")["verdict"] == "" and np.isnan(row(compared, "Skirts")["AP50"])
    assert row(compared)["verdict"] == BETTER
    assert "nan" not in compare_page.terminal_text(compared)


def test_photos_are_ordered_by_how_much_changed():
    compared = compare.compare(
        [
            result_set("a", finds(NAMES[:3], wrong=["03.jpg"])),
            result_set("b", finds(["01.jpg", "02.jpg"], wrong=["00.jpg"])),
        ]
    )
    changed = compare.changed_photos(compared)
    assert changed["filename"].tolist() == ["00.jpg", "03.jpg"]
    assert changed["change"].tolist() == [2, 1]
    assert changed["errors"].tolist() == [2, -1]


def test_changed_parameters_data_and_code_are_listed():
    a = result_set(
        "a", finds(NAMES), params={"x": "1", "y": "1"}, data={"photos": "p"}, code={"a.py": "1", "b.py": "1"}
    )
    b = result_set(
        "b", finds(NAMES), params={"x": "2", "y": "1"}, data={"photos": "q"}, code={"a.py": "1", "b.py": "2"}
    )
    run = result_set("c", finds(NAMES), params={"x": "1", "y": "1"}, data={"photos": "p"}, code={"commit": "abc"})
    assert compare.compare([a, b]).changes == [
        ("parameter", "x", ["1", "2"]),
        ("data", "photos", ["p", "q"]),
        ("code", "b.py", ["1", "2"]),
    ]
    assert compare.compare([a, run]).changes == []


def test_three_result_sets_and_two_of_one_name():
    compared = compare.compare(
        [result_set("a", finds(NAMES[:9])), result_set("a", finds(NAMES)), result_set("c", finds([]))]
    )
    assert compared.names == ["a (1)", "a (2)", "c"]
    printed = compare_page.terminal_text(compared)
    assert "a (2) − a (1)" in printed and "c − a (1)" in printed
    assert [row(compared, at=position)["verdict"] for position in (1, 2)] == [BETTER, WORSE]


def test_a_difficult_box_is_never_missed():
    difficult = pd.concat([truth_table(("00.jpg", "Tops", LEFT, "difficult")), truth_table(("01.jpg", "Tops", LEFT))])
    both = [
        result_set(name, detection_table(), ["00.jpg", "01.jpg"], difficult.reset_index(drop=True)) for name in "ab"
    ]
    compared = compare.compare(both)
    ground_truth, _ = compare.outcomes(compared, 1, "00.jpg")
    assert ground_truth["matched"].tolist() == [True]
    assert row(compared)["boxes"] == 1
