"""Differences in the cost of errors and in the mAP50 of parts, between result sets."""

import pytest

from apparel.analysis import compare, compare_page
from apparel.analysis.compare import BETTER, SAME, UNCLEAR, WORSE
from tests.support.result_sets import NAMES, finds, result_set


def row(compared, name, at=1):
    rows = compared.losses[(compared.losses["name"] == name) & (compared.losses["result"] == at)]
    return rows.iloc[0]


def test_fewer_missed_boxes_cost_less_which_is_better():
    compared = compare.compare([result_set("a", finds(NAMES[:10])), result_set("b", finds(NAMES))])
    # A third of the boxes is found without an error: without the missed ones all are.
    assert row(compared, "missed", 0)["value"] == pytest.approx(2 / 3)
    assert row(compared, "missed")["value"] == 0
    assert row(compared, "missed")["difference"] == pytest.approx(-2 / 3)
    assert row(compared, "missed")["low"] < -2 / 3 < row(compared, "missed")["high"] < 0
    assert row(compared, "missed")["verdict"] == BETTER
    assert row(compared, "1 garment")["difference"] == pytest.approx(2 / 3)
    assert row(compared, "1 garment")["verdict"] == BETTER
    assert row(compared, "duplicate")["verdict"] == SAME
    turned = compare.compare(compared.results[::-1])
    assert row(turned, "missed")["verdict"] == row(turned, "1 garment")["verdict"] == WORSE


def test_the_same_results_are_the_same_and_a_chance_difference_is_unclear():
    same = compare.compare([result_set("a", finds(NAMES[:20])), result_set("b", finds(NAMES[:20]))])
    assert set(same.losses["verdict"]) == {SAME}
    other = compare.compare([result_set("a", finds(NAMES[:20])), result_set("b", finds(NAMES[1:22]))])
    assert row(other, "missed")["verdict"] == row(other, "1 garment")["verdict"] == UNCLEAR


def test_a_table_for_the_terminal_and_one_for_the_page():
    compared = compare.compare([result_set(name, finds(NAMES[:count])) for name, count in (("a", 10), ("b", 30))])
    lines = compare_page.losses_text(compared).splitlines()
    missed = next(line.split() for line in lines if line.startswith("missed"))
    assert missed[:4] == ["missed", "0.667", "0.000", "-0.667"] and missed[-1] == BETTER
    page = compare_page.render_page(compared)
    assert "Where the loss is" in page and '<td title="no detection near the garment">missed' in page
