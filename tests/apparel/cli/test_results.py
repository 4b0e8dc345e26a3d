"""`apparel results`: the per-class table of the last eval."""

import argparse

import pytest

from apparel import paths
from apparel.cli import results as command
from apparel.errors import UserError
from apparel.sweeps import workspace
from tests.support import small_eval


@pytest.fixture
def written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return small_eval.write()


def test_command_prints_the_table_and_the_page(written, capsys):
    command.main(None)
    printed = capsys.readouterr().out
    rows = {line.split()[0]: line.split() for line in printed.splitlines()}
    assert rows["Dresses"][1:3] == ["0", "-"]
    assert rows["all"][2:4] == ["3", "0.333"]
    assert "4 test photos" in printed and "data/results/eval/index.html" in printed


def test_the_table_of_a_trial_is_refused_with_what_to_do(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paths.PER_CLASS.parent.mkdir(parents=True)
    paths.PER_CLASS.write_text(workspace.UNEVALUATED, encoding="utf-8")
    with pytest.raises(UserError, match="a sweep's trial, not evaluated on test: `dvc repro` does"):
        command.main(argparse.Namespace())
