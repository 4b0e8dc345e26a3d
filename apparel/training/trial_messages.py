"""Messages between a training and the worker of its trial in a sweep: files in the trial's folder.

The worker names the folder by environment variables. The training appends its messages to `reports.jsonl` there, one
JSON object a line; a file `stop` there ends the training.
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
"""Takes a step and the metrics measured at it, by name."""


def connect(report: Report, run: str, validation_at: Callable[[int], int]) -> Report:
    """`report`, which in a sweep sends messages to the trial's worker as well.

    Args:
        report: takes a step and the metrics measured at it.
        run: id of the MLflow run.
        validation_at: the number of the validation at or after a step, from 1.
    """
    folder = os.environ.get(paths.TRIAL_FOLDER_VARIABLE)
    if not folder:
        return report
    return TrialReporter(report, Path(folder), int(os.environ[paths.WORKER_VARIABLE]), run, validation_at)


@dataclass
class TrialReporter:
    """A report that also sends the run's id and each validation's metrics to the worker.

    Raises, when called:
        Pruned: the worker requested a stop.
        UserError: the worker is dead.
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
            self._send({"run": self.run, "began": step - 1})
        if "val/mAP50" in values:
            metrics = {name: value for name, value in values.items() if name.startswith("val/")}
            self._send({"step": step, "validation": self.validation_at(step), **metrics})
        if stop_requested(self.folder):
            raise Pruned(f"pruned at step {step}: other trials were better at this point")
        if not psutil.pid_exists(self.worker):
            raise UserError("the worker of this trial is gone; `apparel sweep` continues the trial")

    def _send(self, message: dict[str, Any]) -> None:
        with _messages_file(self.folder).open("ab") as file:
            file.write(b"\n" + json.dumps(message).encode() + b"\n")  # the first ends a line that a kill cut short


def read_messages(folder: Path) -> list[dict[str, Any]]:
    """All messages of the trial's trainings, in order; a line that is not complete is left out."""
    try:
        lines = _messages_file(folder).read_bytes().splitlines(keepends=True)
    except FileNotFoundError:
        return []
    messages = []
    for line in lines:
        if line.endswith(b"\n") and line.strip():
            try:
                messages.append(json.loads(line))
            except ValueError:
                continue
    return messages


def request_stop(folder: Path) -> None:
    """Makes the training end at its next step."""
    (folder / "stop").touch()


def stop_requested(folder: Path) -> bool:
    """Whether the training was told to end."""
    return (folder / "stop").exists()


def _messages_file(folder: Path) -> Path:
    return folder / "reports.jsonl"
