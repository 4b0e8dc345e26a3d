"""Breakdown of a split: its tables, its part of metrics.json, and its line for the terminal."""

import json
from types import SimpleNamespace

import pandas as pd
import pytest

from apparel import paths
from apparel.classes import ALL
from apparel.evaluation import breakdown, error_types, evaluate, strata
from tests.support import small_eval
from tests.support.small_eval import CLASSES


@pytest.fixture
def loss():
    # Three Tops: one found, one taken for a dress, one missed. AP50 is 1/3; the wrong Tops comes last.
    return breakdown.break_down(small_eval.split("test"))


def test_costs(loss):
    gains = loss.totals["dAP50"]
    # Repaired, the dress is a Tops: two of three found. One box less: one of two.
    assert gains["classification"] == pytest.approx(2 / 3 - 1 / 3)
    assert gains["missed"] == pytest.approx(1 / 2 - 1 / 3)
    assert gains["false negatives"] == pytest.approx(1 - 1 / 3)
    assert gains[["localisation", "both", "duplicate", "background", "false positives"]].eq(0).all()
    assert loss.by_class.index.tolist() == CLASSES and loss.by_class.columns.tolist() == [*error_types.ERRORS]
    assert loss.by_class.loc["Dresses"].isna().all()


def test_summary_is_json_with_a_value_or_null_for_each_range(loss):
    parts = json.loads(json.dumps(breakdown.summary(loss), allow_nan=False))
    assert parts["dAP50"]["classification"] == 0.333333 and "false_negatives" in parts["dAP50"]
    assert parts["AP50_by_size"] == {"small": 0.333333, "medium": None, "large": None}
    assert parts["AP50_by_share"] == {
        "below 5% of the photo": 0.333333, "5% to 20% of the photo": None, "20% of the photo and more": None,
    }  # fmt: skip
    assert parts["AP50_by_garments"] == {"no garment": None, "1 garment": pytest.approx(1 / 3, abs=1e-6)}


def test_costs_in_one_line(loss):
    text = breakdown.costs_text(loss)
    assert text.startswith("mAP50 gained if one type of error were repaired: classification 0.333, missed 0.167, ")


def test_files_have_both_splits(tmp_path, monkeypatch, loss):
    monkeypatch.chdir(tmp_path)
    small_eval.write()
    errors, ranges = pd.read_csv(paths.ERROR_TYPES), pd.read_csv(paths.STRATA)
    assert list(errors) == breakdown.ERROR_COLUMNS and list(ranges) == breakdown.STRATA_COLUMNS
    assert set(errors["split"]) == set(ranges["split"]) == {"val", "test"}
    of_test = errors[(errors["split"] == "test") & (errors["class"] == ALL)].set_index("error")
    assert of_test["dAP50"].tolist() == pytest.approx(loss.totals["dAP50"].tolist(), abs=1e-6)
    assert len(errors) == 2 * 3 * len(error_types.ERRORS)
    assert set(strata.PIXELS) | set(strata.SHARES) < set(ranges["range"])
    page = paths.EVAL_PAGE.read_text(encoding="utf-8")
    assert "Where the loss is" in page and "right place, wrong class" in page and "below 5% of the photo" in page


def test_a_split_without_boxes():
    full = small_eval.split("test")
    tables = SimpleNamespace(photos=full.photos, ground_truth=full.ground_truth[:0], detections=full.matched[:0])
    empty = breakdown.break_down(evaluate.measure_split(tables, "test", CLASSES, full.thresholds))
    assert breakdown.costs_text(empty) == ""
    assert set(breakdown.summary(empty)["dAP50"].values()) == {None}
