"""Pooled out-of-fold detections, their intervals and the spread of trainings, on photos of one garment each."""

import json

import pandas as pd
import pytest

from apparel.analysis import compare, compare_page, crossval_results
from apparel.analysis.crossval_results import FoldResult
from apparel.errors import UserError
from apparel.evaluation import evaluate, intervals, metrics, report
from tests.support.box_tables import LEFT, photo_table, truth_table
from tests.support.result_sets import finds

NAMES = [f"{number:02}.jpg" for number in range(30)]
SETTINGS = {"params": {"data.name": "demo"}, "data": {}, "code": {"stages/train.py": "0"}, "run": None}


def fold(number, detections, seed=0, names=None):
    """The result of one of three folds, of ten photos each."""
    names = NAMES[number * 10 - 10 : number * 10] if names is None else names
    tables = {
        "photos": photo_table(names).assign(sha256="0"),
        "ground_truth": truth_table(*((name, "Tops", LEFT) for name in names)).assign(width=100, height=100),
        "detections": detections[detections["filename"].isin(names)],
        "thresholds": {"Tops": number / 10},
    }
    return FoldResult(seed, number, f"cv-s{seed}-f{number}", tables)


def pool(detections, seeds=1, name="cv"):
    return crossval_results.pool(
        name, [fold(number, detections, seed) for seed in range(seeds) for number in (1, 2, 3)]
    )


DETECTIONS = finds(NAMES[:18], NAMES[5:9])


def test_pooled_figures_are_those_of_all_detections_together():
    pooled = pool(DETECTIONS).pooled
    truth = truth_table(*((name, "Tops", LEFT) for name in NAMES))
    matched = metrics.match_detections(truth, DETECTIONS)
    expected = intervals.average_precision(NAMES, truth, matched, ["Tops"])
    row = pooled.per_class.loc["Tops"]
    assert row[["AP50", "AP50_low", "AP50_high"]].tolist() == pytest.approx(
        [expected.values[0], expected.low[0], expected.high[0]]
    )
    assert row["boxes"] == 30 and pooled.thresholds == {"Tops": pytest.approx(0.2)}


def test_seeds_that_detect_the_same_make_no_interval_narrower():
    one, three = (pool(DETECTIONS, seeds).pooled.per_class.loc["Tops"] for seeds in (1, 3))
    assert three["AP50"] == pytest.approx(one["AP50"])
    # As if there were thrice the photos, it would be 0.58 of the width.
    width = one["AP50_high"] - one["AP50_low"]
    assert three["AP50_high"] - three["AP50_low"] == pytest.approx(width, rel=0.1)
    assert three["boxes"] == 3 * one["boxes"]


def test_mean_and_spread_over_folds_and_seeds():
    # All found, half found, none found; the second seed finds one more in the last fold.
    first, second = finds([*NAMES[:10], *NAMES[10:15]]), finds([*NAMES[:10], *NAMES[10:15], NAMES[20]])
    results = [fold(number, each, seed) for seed, each in enumerate((first, second)) for number in (1, 2, 3)]
    result = crossval_results.pool("cv", results)
    assert result.folds["mAP50"].tolist() == pytest.approx([1, 0.5, 0, 1, 0.5, 0.1])
    spread = crossval_results.spread(result.folds)
    assert spread["mean"] == pytest.approx(3.1 / 6)
    assert spread["sd_folds"] == pytest.approx(pd.Series([1, 0.5, 0.05]).std())
    assert spread["sd_seeds"] == pytest.approx(pd.Series([0.5, 1.6 / 3]).std())
    text = crossval_results.terminal_text(result)
    assert "6 trainings: 0.517 ± " in text and "over folds 0.475, over seeds 0.024" in text
    assert "over seeds" not in crossval_results.terminal_text(pool(first)).splitlines()[0]


def test_what_does_not_belong_together_is_refused():
    with pytest.raises(UserError, match="in two folds"):
        crossval_results.pool("cv", [fold(1, DETECTIONS), fold(2, DETECTIONS, names=NAMES[:10])])
    other = fold(2, DETECTIONS)
    other.tables["thresholds"] = {"Skirts": 0.5}
    with pytest.raises(UserError, match="different classes"):
        crossval_results.pool("cv", [fold(1, DETECTIONS), other])


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Writes a cross-validation as the command does: what each training's eval wrote, then the pooled tables."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(crossval_results, "CROSSVAL", tmp_path / "crossval")

    def write(name, detections, seeds=1):
        result = pool(detections, seeds, name)
        for seed, number in zip(result.folds["seed"], result.folds["fold"], strict=True):
            tables = fold(number, detections, seed).tables
            measured = evaluate.measure_split(
                crossval_results.SimpleNamespace(**tables), "val", ["Tops"], {"Tops": 0.5}
            )
            losses = {"val": crossval_results.breakdown.break_down(measured)}
            report.write_tables(measured, measured, losses, dict.fromkeys(NAMES, "0" * 64))
            crossval_results.keep_results(tmp_path, crossval_results.fold_folder(name, seed, number))
        return crossval_results.write(result, SETTINGS)

    return write


def test_tables_and_summary(written):
    files = {path.name: path for path in written("cv", DETECTIONS, seeds=2)}
    detections = pd.read_csv(files["detections.csv"])
    assert list(detections)[:4] == ["seed", "fold", "filename", "class"] and len(detections) == 2 * 22
    assert set(zip(detections["seed"], detections["fold"], strict=True)) == {(0, 1), (0, 2), (1, 1), (1, 2)}
    truth = pd.read_csv(files["ground_truth.csv"])
    assert truth["filename"].tolist() == NAMES and len(pd.read_csv(files["photos.csv"])) == 30
    summary = json.loads(files["summary.json"].read_text(encoding="utf-8"))
    assert summary["pooled"]["mAP50"] == pytest.approx(pool(DETECTIONS).pooled.per_class.loc["Tops", "AP50"], abs=0.01)
    assert summary["mAP50"]["mean"] == pytest.approx(pd.read_csv(files["folds.csv"])["mAP50"].mean(), abs=1e-6)
    assert summary["pooled"]["dAP50"]["missed"] > 0
    assert crossval_results.fold_metrics(crossval_results.fold_folder("cv", 0, 3))["AP50/Tops"] == 0


def test_two_are_compared_by_photo(written):
    written("few", finds(NAMES[:10]))
    written("many", finds(NAMES[:28]), seeds=2)
    results = [crossval_results.load(name) for name in ("few", "many")]
    compared = compare.compare(results)
    # The second has one seed more: compared is what both have.
    assert compare.photos_text(compared) == "30 photos out of fold" and len(compared.photos) == 30
    row = compared.table[(compared.table["class"] == "Tops") & (compared.table["result"] == 1)].iloc[0]
    assert row["difference"] == pytest.approx(18 / 30) and row["verdict"] == compare.BETTER
    assert "AP50 on 30 photos out of fold" in compare_page.terminal_text(compared)
    both = compare.compare([results[1]] * 2)
    assert compare.photos_text(both) == "30 photos out of fold, each by 2 seeds"


def test_a_damaged_summary_is_named(written):
    path = next(path for path in written("cv", DETECTIONS) if path.name == "summary.json")
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(UserError, match=r"summary\.json is damaged"):
        crossval_results.load("cv")
