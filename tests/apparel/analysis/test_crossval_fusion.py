"""Ensembles judged by the out-of-fold detections of finished cross-validations."""

import json

import pytest

from apparel import params
from apparel.analysis import compare, crossval_fusion, crossval_results
from apparel.errors import UserError
from apparel.tracking import runs
from tests.apparel.analysis.test_crossval_results import NAMES, SETTINGS, fold
from tests.apparel.sweeps.test_crossval import Recorder
from tests.support.repository import ROOT
from tests.support.result_sets import finds

CONFIG = params.load(ROOT / "params.yaml")
RIGHT = finds(NAMES)
HALF = finds(NAMES[::2], NAMES[1::2])  # the garment on every other photo, something beside it on the others


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A clone with finished cross-validations; the runs in MLflow are what it gives."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(crossval_results, "CROSSVAL", tmp_path / "crossval")
    monkeypatch.setattr(params, "load", lambda: CONFIG)
    told = []
    monkeypatch.setattr(runs, "start_run", lambda config, name: told.append(Recorder(name)) or told[-1])
    return told


def finish(name, detections, seeds=(0,), folds=(1, 2, 3), **settings):
    """Writes a cross-validation as a command of trainings does."""
    results = [fold(number, detections, seed) for seed in seeds for number in folds]
    for result in results:
        crossval_results.write_fold(name, result)
        (crossval_results.fold_folder(name, result.seed, result.fold) / "training.json").touch()
    crossval_results.write(crossval_results.pool(name, results), SETTINGS | settings)


def test_a_photo_gets_the_boxes_of_all_and_the_score_is_their_mean(project):
    finish("half", HALF)
    finish("right", RIGHT)
    result = crossval_fusion.run(["half", "right"], "both")
    scores = result.detections.set_index("filename")["score"]
    assert scores[NAMES[0]] == pytest.approx(0.9)  # both find it with 0.9
    assert sorted(scores[NAMES[1]]) == pytest.approx([0.45, 0.475])  # one finds it with 0.9, one something with 0.95
    # 15 right boxes come first, then 15 wrong ones, then the other 15: a precision of 30/45 where they end.
    assert result.pooled.per_class.loc["Tops", "AP50"] == pytest.approx(0.5 + 0.5 * 30 / 45)
    assert result.folds["photos"].tolist() == [10, 10, 10]


def test_it_is_read_compared_and_logged_as_any_other(project):
    finish("half", HALF, params={"data.name": "demo", "train.seed": "0", "train.epochs": "2"})
    finish("right", RIGHT, params={"data.name": "demo", "train.seed": "0", "train.epochs": "3"})
    result = crossval_fusion.run(["half", "right"], None)
    again = crossval_results.load("half-right")
    assert again.params == {"data.name": "demo", "train.seed": "0", "crossval.fused": "half, right"}
    assert len(again.detections) == len(result.detections) and again.code == SETTINGS["code"]
    assert "30 photos" in compare.photos_text(compare.compare([crossval_results.load("half"), again]))
    (run,) = project
    assert run.id == "crossval half-right" and run.ended == "finished" and "summary.json" in run.files
    assert run.values["crossval/AP50/Tops"] == pytest.approx(result.pooled.per_class.loc["Tops", "AP50"])
    before = (crossval_results.folder("half-right") / "detections.csv").read_bytes()
    crossval_fusion.run(["half", "right"], None)  # a second time: the same
    assert (crossval_results.folder("half-right") / "detections.csv").read_bytes() == before


def test_thresholds_are_those_that_suit_fused_scores(project):
    finish("half", HALF)
    finish("right", RIGHT)
    crossval_fusion.run(["half", "right"], "both")
    # The best F1 of a fold takes all: 10 right boxes of 15. The members' own thresholds go by other scores.
    chosen = crossval_results.read_folds("both")[0].tables["thresholds"]["Tops"]
    assert chosen == pytest.approx(0.45, abs=1e-5)


def test_seeds_that_one_lacks_are_left_out(project):
    finish("one", RIGHT, seeds=(0,))
    finish("two", RIGHT, seeds=(3, 4))
    assert crossval_fusion.run(["two", "one"], "fused").folds["seed"].tolist() == [3, 3, 3]


def test_what_cannot_be_fused_is_refused_and_trainings_stay(project):
    finish("a", RIGHT)
    finish("b", HALF)
    finish("part", RIGHT, folds=(1, 2))
    for names, name, told in (
        (["a"], None, "name two or more"),
        (["a", "a"], None, "each once"),
        (["a", "none"], None, "none is no finished cross-validation"),
        (["a", "part"], None, "part and a are of other photos"),
        (["a", "b"], "b", "b is a cross-validation of trainings; choose another --name"),
        (["a", "b"], "../x", "--name"),
    ):
        with pytest.raises(UserError, match=told):
            crossval_fusion.run(names, name)
    summary = json.loads((crossval_results.folder("b") / "summary.json").read_text(encoding="utf-8"))
    assert "crossval.fused" not in summary["params"] and not project


def test_a_fusion_that_is_killed_while_it_replaces_another_leaves_none(project, monkeypatch):
    finish("half", HALF)
    finish("right", RIGHT)
    crossval_fusion.run(["half", "right"], "both")
    monkeypatch.setattr(crossval_results, "write", lambda *_: [][0])
    with pytest.raises(IndexError):
        crossval_fusion.run(["right", "half"], "both")
    with pytest.raises(UserError, match="both is no finished cross-validation"):
        crossval_fusion.run(["both", "half"], "more")
