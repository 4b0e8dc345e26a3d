import subprocess
import sys
from pathlib import Path

import pytest

from apparel.errors import UserError
from benchmarks import commands


@pytest.mark.slow
def test_the_empty_project_has_nothing_to_do(tmp_path):
    folder = commands.make_empty_project(tmp_path)
    assert (folder / "eval.txt").read_text(encoding="utf-8") == "a"
    status = subprocess.run([sys.executable, "-m", "dvc", "status", "--quiet"], cwd=folder, check=False)
    assert status.returncode == 0


def test_a_project_that_is_not_up_to_date_is_left_alone(tmp_path, monkeypatch):
    asked = []

    def run(command, **options):
        asked.append(command)
        return subprocess.CompletedProcess(command, 1)

    monkeypatch.setattr(commands.subprocess, "run", run)
    with pytest.raises(UserError, match="run it first"):
        commands.measure(1)
    assert [command[1:4] for command in asked] == [["-m", "dvc", "status"]]


def test_the_commands_take_turns(monkeypatch):
    calls = []
    monkeypatch.setattr(commands.subprocess, "run", lambda command, **options: subprocess.CompletedProcess(command, 0))
    monkeypatch.setattr(commands, "make_empty_project", lambda folder: Path("empty"))
    monkeypatch.setattr(commands, "_run", lambda command, folder: calls.append((command[-1], folder.name)))
    rows = commands.measure(1)
    assert [(row.what, row.beside) for row in rows] == [
        ("dvc repro, nothing to do", "five empty stages"),
        ("apparel --help", "python -c pass"),
    ]
    assert [folder for command, folder in calls[:4]] == [Path.cwd().name, "empty"] * 2
