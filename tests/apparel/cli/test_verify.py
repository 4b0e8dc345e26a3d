"""`apparel verify`: says what it would run, and asks before it does."""

import io
import shutil
from argparse import Namespace

import pytest

from apparel.analysis import rerun
from apparel.cli import verify
from apparel.errors import UserError


@pytest.fixture
def shop(three_stages_run, tmp_path, monkeypatch):
    """A copy of a project that ran, as the current folder."""
    folder = shutil.copytree(three_stages_run, tmp_path / "shop")
    monkeypatch.chdir(folder)
    return folder


def test_a_dry_run_runs_nothing_and_prints_how_long_it_took(shop, capsys):
    rerun.record_duration("all", 200)
    verify.main(Namespace(stage=None, yes=True, dry_run=True))
    printed = capsys.readouterr().out
    assert "convert, train, eval" in printed
    assert "3 min" in printed
    assert "nothing was run" in printed


@pytest.mark.parametrize("answer", ["n\n", "\n"])
def test_nothing_is_run_unless_the_answer_is_yes(shop, capsys, monkeypatch, answer):
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    verify.main(Namespace(stage="train", yes=False, dry_run=False))
    assert "nothing was run" in capsys.readouterr().out
    assert not rerun.COPY.exists()


def test_without_a_terminal_the_option_is_named(shop, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    with pytest.raises(UserError, match="add --yes to run it, or --dry-run"):
        verify.main(Namespace(stage=None, yes=False, dry_run=False))
