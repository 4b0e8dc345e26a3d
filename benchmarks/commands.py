"""Speed of commands that have nothing to do: `dvc repro` beside an empty project, `apparel --help` beside Python."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from apparel.errors import UserError
from apparel.utils import processes
from benchmarks import side_by_side
from benchmarks.side_by_side import Row

STAGES = ("convert", "split", "tfrecord", "train", "eval")

REPRO = (sys.executable, "-m", "dvc", "repro", "--quiet")


def measure(rounds: int) -> list[Row]:
    """Times whole processes, in turn.

    Raises:
        UserError: something is to be done in this project, or a command fails.
    """
    if subprocess.run([sys.executable, "-m", "dvc", "status", "--quiet"], check=False, capture_output=True).returncode:
        raise UserError("`dvc repro` has something to do here, so it cannot be timed; run it first")
    with tempfile.TemporaryDirectory() as folder:
        empty = make_empty_project(Path(folder))
        repro, _ = side_by_side.time_in_turns(
            {
                "dvc repro, nothing to do": lambda: _run(REPRO, Path.cwd()),
                "five empty stages": lambda: _run(REPRO, empty),
            },
            rounds,
        )
    shown, _ = side_by_side.time_in_turns(
        {
            "apparel --help": lambda: _run([sys.executable, "-m", "apparel", "--help"], Path.cwd()),
            "python -c pass": lambda: _run([sys.executable, "-c", "pass"], Path.cwd()),
        },
        rounds,
    )
    return [
        *side_by_side.rows(repro, "a process that finds each output as it was"),
        *side_by_side.rows(shown, "a process; Python alone does nothing"),
    ]


def make_empty_project(folder: Path) -> Path:
    """A git repository with five DVC stages that copy a file of one letter, all done."""
    lines = ["stages:"]
    for before, stage in zip(("start", *STAGES), STAGES, strict=False):
        lines += [f"  {stage}:", f"    cmd: cp {before}.txt {stage}.txt", f"    deps: [{before}.txt]"]
        lines += [f"    outs: [{stage}.txt]"]
    (folder / "start.txt").write_text("a", encoding="utf-8")
    (folder / "dvc.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    _run(["git", "init", "--quiet"], folder)
    _run([sys.executable, "-m", "dvc", "init", "--quiet"], folder)
    _run([sys.executable, "-m", "dvc", "config", "core.analytics", "false"], folder)
    _run(REPRO, folder)
    return folder


def _run(command: Sequence[str], folder: Path) -> None:
    environment = processes.with_this_python(os.environ)
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"{' '.join(command[1:])} failed: {done.stderr[-500:]}")
