"""The report of a sweep: a table for the terminal, and a page that a browser opens without a network."""

import re

import pytest
from optuna.trial import TrialState

from apparel.sweeps import report
from tests.support import chromium, studies

TITLES = ["History", "Importances", "Slices", "Learning curves"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_the_terminal_shows_the_table_and_the_best_values_beside_the_initial_ones():
    text = report.terminal_text(studies.make())
    assert "6 complete, 1 pruned, 1 failed, 1 running" in text
    assert "best: trial 3, val/mAP50 0.7; the first, as params.yaml was, had 0.5" in text
    assert re.search(r"train.learning_rate +0.004 -> 0.002$", text, re.MULTILINE)
    assert re.search(r"^7 +failed .*no memory", text, re.MULTILINE)


def test_the_terminal_shows_the_front_with_both_objectives():
    text = report.terminal_text(studies.two_objectives())
    assert "no other trial is better in both" in text
    assert "best: trial 5, val/mAP50 0.65, latency 30 ms; the first, as params.yaml was, had 0.5 and 30 ms" in text
    assert text.count("best: trial") == 2


def test_a_study_without_trials_has_a_page():
    study = studies.optuna.create_study(study_name="young")
    study.set_user_attr("settings", {"space": studies.SPACE, "fixed": {}})
    study.set_user_attr("start", studies.START)
    assert "No trial is complete yet" in report.render_page(study)
    assert "no trial yet" in report.terminal_text(study)


def test_the_page_opens_without_a_network_and_shows_every_trial(tmp_path):
    study = studies.make(fixed={"train.epochs": 4})
    page, table = report.write_report(study)
    dom = chromium.dom(page, tmp_path / "browser")
    shown = dom[dom.index("<h1>Sweep drawn") :]
    given_up = {TrialState.PRUNED, TrialState.FAIL}  # they have no results that `dvc exp apply` could bring back
    for trial in study.trials:
        assert (f"drawn-{trial.number:03}" in shown) == (trial.state not in given_up)
        assert f"{trial.number:032x}" in shown
    assert "&lt;script&gt;alert(1)" in shown
    assert "no memory for &lt;b&gt;this" in shown
    assert "train.epochs" in shown
    assert shown.count("main-svg") >= len(TITLES)  # the scripts have run and drawn
    assert "6, pruned" in shown  # among the learning curves
    assert len(table.read_text(encoding="utf-8").splitlines()) == 10
