import argparse

import pytest

from apparel.analysis import experiment_run, recipes
from apparel.cli import run


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
    assert shown.splitlines()[-1].startswith("dvc exp run -n short -S data.name=apparel ")
    assert "-S train.epochs=2" in shown


@pytest.mark.parametrize("status", [0, 255])
def test_the_exit_status_is_that_of_dvc(status, monkeypatch):
    monkeypatch.setattr(experiment_run, "start", lambda command: status)
    if not status:
        call()
        return
    with pytest.raises(SystemExit) as stop:
        call()
    assert stop.value.code == status
