"""`apparel crossval`: its plan, and its results for the terminal."""

from types import SimpleNamespace

import pytest

from apparel.analysis import crossval_fusion, crossval_results
from apparel.errors import UserError
from apparel.sweeps import crossval, crossval_plan
from apparel.utils import processes


class Plan:
    """In place of a plan."""

    name = "cv"

    def text(self):
        return "cv: 10 trainings"


@pytest.fixture
def given(monkeypatch):
    """What the plan was made of."""
    given = []
    monkeypatch.setattr(crossval_plan, "make_plan", lambda *arguments: given.append(arguments) or Plan())
    monkeypatch.setattr(processes, "interrupt_on_termination", lambda: None)
    return given


def run(*words):
    import argparse

    from apparel.cli import crossval as command

    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    command.main(parser.parse_args(words))


def test_a_dry_run_shows_the_plan_and_runs_nothing(given, monkeypatch, capsys):
    monkeypatch.setattr(crossval, "run", lambda plan: pytest.fail("it ran"))
    run("six", "--folds", "3", "--seeds", "2", "-S", "train.epochs=2", "--all", "-n", "x", "--dry-run")
    assert given == [("six", ["train.epochs=2"], 3, 2, True, "x")]
    assert capsys.readouterr().out == "cv: 10 trainings\n"


def test_it_prints_results_and_where_they_are(given, monkeypatch, capsys):
    monkeypatch.setattr(crossval, "run", lambda plan: SimpleNamespace(name="cv"))
    monkeypatch.setattr(crossval_results, "terminal_text", lambda result: f"result of {result.name}")
    run()
    assert given == [(None, [], 5, 1, False, None)]
    assert "result of cv\ntables: .apparel/crossval/cv; compare: apparel compare cv OTHER" in capsys.readouterr().out


def test_finished_ones_are_fused_without_a_plan(given, monkeypatch, capsys):
    monkeypatch.setattr(crossval_fusion, "run", lambda names, name: SimpleNamespace(name="-".join(names)))
    monkeypatch.setattr(crossval_results, "terminal_text", lambda result: f"result of {result.name}")
    run("--fuse", "six", "lite")
    assert "result of six-lite\n" in capsys.readouterr().out and not given


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["six"], "a recipe"),
        (["--folds", "5"], "--folds"),
        (["--seeds", "1"], "--seeds"),
        (["-S", "train.epochs=2"], "-S"),
        (["--all"], "--all"),
        (["--dry-run"], "--dry-run"),
        (["--seeds", "3", "--folds", "7"], "--folds, --seeds"),
    ],
)
def test_what_a_fusion_does_not_take_is_refused_by_name(given, monkeypatch, words, named):
    monkeypatch.setattr(crossval_fusion, "run", lambda names, name: pytest.fail("it ran"))
    with pytest.raises(UserError, match=rf"--fuse takes finished .*: leave out {named}$"):
        run(*words, "--name", "x", "--fuse", "six", "lite")
    assert not given


def test_an_interruption_says_how_to_go_on(given, monkeypatch):
    def interrupt(plan):
        raise KeyboardInterrupt

    monkeypatch.setattr(crossval, "run", interrupt)
    with pytest.raises(UserError, match="run the same command again"):
        run()
