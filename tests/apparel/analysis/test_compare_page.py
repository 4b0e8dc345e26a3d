"""The page of a comparison, and its text for the terminal."""

from apparel.analysis import compare, compare_page
from tests.support.result_sets import NAMES, finds, result_set


def test_page_names_missing_photos_and_escapes_names():
    names = ["<script>alert(1)</script>.jpg"]
    results = [result_set("<b>a</b>", finds([]), names), result_set("b", finds(names), names, params={"x": "<i>"})]
    page = compare_page.render_page(compare.compare(results))
    assert "not available" in page
    assert "<script" not in page and "<b>a" not in page and "<i>" not in page.replace("<i style", "")


def test_changed_values_are_a_table_and_long_ones_are_cut():
    results = [result_set(name, finds(NAMES), params={"data.classes": name * 100}) for name in "ab"]
    heading, row = compare_page.changes_text(compare.compare(results)).splitlines()
    assert heading.split() == ["what", "differs", "a", "b"]
    assert row.split() == ["data.classes", "a" * 59 + "…", "b" * 59 + "…"]
    assert compare_page.changes_text(compare.compare(results[:1] * 2)) == "Parameters, data and code are the same."
