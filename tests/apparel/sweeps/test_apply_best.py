"""The best trial's values are written into params.yaml, after a question."""

import io
from functools import partial
from pathlib import Path

import pytest

from apparel.cli import arguments
from apparel.errors import UserError
from apparel.sweeps import apply_best
from tests.support import studies
from tests.support.repository import ROOT

ask = partial(arguments.confirm, without_terminal="add --yes")
PARAMS = (ROOT / "params.yaml").read_text(encoding="utf-8")


def agree(question):
    return True


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(PARAMS, encoding="utf-8")


def changed_lines() -> list[str]:
    new = Path("params.yaml").read_text(encoding="utf-8").splitlines()
    return [line.split("#")[0].strip() for line, old in zip(new, PARAMS.splitlines(), strict=True) if line != old]


def test_the_best_values_are_written_and_nothing_else_changes(capsys):
    apply_best.run(studies.make(), None, confirm=agree, dry_run=False)
    assert changed_lines() == ["resolution: 512", "batch_size: 4", "learning_rate: 0.002"]
    printed = capsys.readouterr().out
    assert "+  resolution: 512" in printed
    assert "drawn-003 from the cache" in printed


def test_a_named_trial_is_written_without_the_fixed_values(capsys):
    apply_best.run(studies.make(fixed={"train.epochs": 4}), 1, confirm=agree, dry_run=False)
    assert changed_lines() == ["resolution: 300", "batch_size: 32", "learning_rate: 0.001"]
    assert "trains in full (the sweep's trials had train.epochs 4)" in capsys.readouterr().out


@pytest.mark.parametrize(("answer", "written"), [("y\n", True), ("n\n", False), ("\n", False), ("", False)])
def test_it_asks_before_it_writes(answer, written, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    if written:
        apply_best.run(studies.make(), None, confirm=ask, dry_run=False)
    else:
        with pytest.raises(UserError, match="stays as it is" if answer else "--yes"):
            apply_best.run(studies.make(), None, confirm=ask, dry_run=False)
    assert bool(changed_lines()) == written


def test_a_dry_run_only_shows_the_change(capsys):
    apply_best.run(studies.make(), None, confirm=ask, dry_run=True)
    assert "+  batch_size: 4" in capsys.readouterr().out
    assert not changed_lines()


@pytest.mark.parametrize("number", [6, 7, 8, 99])
def test_a_trial_that_is_not_complete_is_refused(number):
    with pytest.raises(UserError, match=f"no complete trial {number}"):
        apply_best.run(studies.make(), number, confirm=agree, dry_run=False)


def test_of_several_best_trials_one_must_be_named():
    study = studies.make(("val/mAP50", "latency"))
    with pytest.raises(UserError, match="name one, such as --finish 3") as error:
        apply_best.run(study, None, confirm=agree, dry_run=False)
    assert "  trial 5, val/mAP50 0.65, latency 30 ms; the first" in str(error.value)
    assert not changed_lines()
    apply_best.run(study, 5, confirm=agree, dry_run=False)
    assert changed_lines() == ["resolution: 300", "batch_size: 24", "learning_rate: 0.003"]


def test_values_that_params_yaml_refuses_are_not_written():
    study = studies.make()
    studies.add(study, 300, 16, 0.004, 0.99, values={"train.resolution": -5})
    with pytest.raises(UserError, match=r"train\.resolution"):
        apply_best.run(study, None, confirm=agree, dry_run=False)
    assert not changed_lines()
