"""How a training in a sweep says how it goes, and is told to stop: by files in the folder of its trial.

The worker names the folder in the environment. The training appends to `reports.jsonl` there; a file `stop` ends it.
"""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from apparel import paths
from apparel.errors import Pruned, UserError

TRAINING_UNDER_WAY = "this training is under way in another process; wait for it, or stop it"
"""The message by which a worker recognises that another process trains the same."""

Report = Callable[[int, dict[str, float]], None]


def connect(report: Report, run: str, validation_at: Callable[[int], int]) -> Report:
    """`report`, and in a sweep the trial's worker as well.

    Args:
        report: takes a step and what was measured at it.
        run: id of the run in MLflow.
        validation_at: the number of the validation that follows a step, from 1.
    """
    folder = os.environ.get(paths.TRIAL_FOLDER_VARIABLE)
    return (
        Signals(report, Path(folder), int(os.environ[paths.WORKER_VARIABLE]), run, validation_at) if folder else report
    )


@dataclass
class Signals:
    """A report that the worker reads along.

    Raises, when called:
        Pruned: the worker says stop.
        UserError: the worker is gone.
    """

    report: Report
    folder: Path
    worker: int
    run: str
    validation_at: Callable[[int], int]
    _began: bool = False

    def __call__(self, step: int, values: dict[str, float]) -> None:
        self.report(step, values)
        if not self._began:
            self._began = True
            self._say({"run": self.run, "began": step - 1})
        if "val/mAP50" in values:
            measured = {name: value for name, value in values.items() if name.startswith("val/")}
            self._say({"step": step, "validation": self.validation_at(step), **measured})
        if (self.folder / "stop").exists():
            raise Pruned(f"pruned at step {step}: other trials had done better by then")
        if not psutil.pid_exists(self.worker):
            raise UserError("the worker of this trial is gone; `python -m apparel sweep` goes on with it")

    def _say(self, values: dict[str, Any]) -> None:
        with _reports(self.folder).open("ab") as file:
            file.write(b"\n" + json.dumps(values).encode() + b"\n")  # the first ends a line that a kill cut short


def read(folder: Path) -> list[dict[str, Any]]:
    """All that the trainings of this trial have said, in order; a line that is not whole yet is left for later."""
    try:
        lines = _reports(folder).read_bytes().splitlines(keepends=True)
    except FileNotFoundError:
        return []
    found = []
    for line in lines:
        if line.endswith(b"\n") and line.strip():
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
    return found


def stop(folder: Path) -> None:
    """Tells the training to end at its next step."""
    (folder / "stop").touch()


def is_stopped(folder: Path) -> bool:
    """Whether the training was told to end."""
    return (folder / "stop").exists()


def _reports(folder: Path) -> Path:
    return folder / "reports.jsonl"
