"""`apparel sweep`: the plan, and results of studies that are not there."""

import argparse
from pathlib import Path

import pytest

from apparel.cli import sweep
from apparel.errors import UserError
from tests.support import planned_sweep


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    planned_sweep.make(tmp_path)
    planned_sweep.write_config()


def run(*words: str) -> None:
    parser = argparse.ArgumentParser()
    sweep.add_arguments(parser)
    sweep.main(parser.parse_args(["--config", str(planned_sweep.CONFIG), *words]))


def test_a_dry_run_shows_the_plan_with_the_options_and_creates_nothing(capsys):
    run("--dry-run", "--study", "other", "--trials", "3", "--workers", "2")
    printed = capsys.readouterr().out
    assert printed.startswith("sweep other: val/mAP50 (maximize)\n")
    assert "train.learning_rate" in printed
    assert not Path("optuna.db").exists()
    assert not Path(".apparel").exists()


@pytest.mark.parametrize("option", ["--report", "--finish"])
def test_results_of_a_study_that_is_not_there_are_refused(option):
    with pytest.raises(UserError, match="has no study 'tiny'"):
        run(option)
