import argparse
import os

import pytest

from apparel.analysis import experiment_run, recipes, run_results
from apparel.cli import run
from apparel.errors import UserError
from apparel.utils import beam, beam_runners


def call(*words: str) -> None:
    parser = argparse.ArgumentParser()
    run.add_arguments(parser)
    run.main(parser.parse_args(words))


def test_list_shows_each_recipe_with_its_line(capsys):
    call("--list")
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == recipes.names()
    assert all(recipes.load(line.split()[0]).about in line for line in lines)


def test_dry_run_shows_the_recipe_and_the_line_and_runs_nothing(capsys, monkeypatch):
    monkeypatch.setattr(experiment_run, "start", lambda command: pytest.fail("something was run"))
    call("six", "--dry-run", "-S", "train.epochs=2", "--name", "short")
    shown = capsys.readouterr().out
    assert recipes.load("six").expect in shown
    (line,) = [line for line in shown.splitlines() if line.startswith("dvc exp run ")]
    assert line.startswith("dvc exp run -n short -S data.name=apparel ")
    assert "-S train.epochs=2" in line


@pytest.fixture
def ready(monkeypatch):
    """A run of eval that nothing stands in the way of."""
    monkeypatch.setattr(experiment_run.Run, "ready_stages", lambda self: ["eval"])
    monkeypatch.setattr(run_results, "text", lambda experiment: f"the table of {experiment}")


def test_it_says_what_will_run_for_how_long_and_ends_with_the_table(ready, monkeypatch, capsys):
    monkeypatch.setattr(experiment_run, "start", lambda command: print("> ", *command) or 0)
    call()
    command, stages, time, started, table = capsys.readouterr().out.splitlines()
    assert (command, started) == ("dvc repro", ">  dvc repro")
    assert stages.startswith("stages  eval;")
    assert time.startswith("time    about ")
    assert table == "the table of None"
    call("--isolated", "--name", "mine")
    assert capsys.readouterr().out.splitlines()[-1] == "the table of mine"


def test_dry_run_says_what_would_run_or_why_it_cannot_yet(ready, monkeypatch, capsys):
    monkeypatch.setattr(experiment_run, "start", lambda command: pytest.fail("something was run"))
    call("--dry-run")
    assert capsys.readouterr().out.splitlines()[1].startswith("stages  eval;")
    monkeypatch.setattr(experiment_run.Run, "ready_stages", fail)
    call("--dry-run")
    assert capsys.readouterr().out.splitlines()[1] == "not yet: no photos"


def fail(self):
    raise UserError("no photos")


def test_the_exit_status_is_that_of_dvc(ready, monkeypatch):
    monkeypatch.setattr(experiment_run, "start", lambda command: 255)
    with pytest.raises(SystemExit) as stop:
        call()
    assert stop.value.code == 255


def test_the_runner_reaches_the_stages_by_the_environment(ready, monkeypatch):
    monkeypatch.setenv(beam.VARIABLE, "")
    monkeypatch.setattr(beam_runners, "check", lambda line: None)
    found = []
    monkeypatch.setattr(experiment_run, "start", lambda command: found.append(os.environ[beam.VARIABLE]))
    call("--runner", "DirectRunner", "--runner-option", "direct_num_workers=2")
    assert found == ["--runner=DirectRunner --direct_num_workers=2"]
