"""Runs as this clone recorded them, without a request to MLflow: which are open, and which run trained a model."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from apparel import paths
from apparel.tracking.outbox import Line, Outbox, all_outboxes, find_outbox, outbox_of_run


@dataclass(frozen=True)
class FinishedTraining:
    """A training of this clone: its duration in seconds, its steps, and params.yaml as text by dotted name."""

    seconds: float
    steps: int
    params: dict[str, str]


@dataclass(frozen=True)
class Validation:
    """mAP50 on val at a step, and the seconds from the opening of its run, which follows the imports, until then."""

    seconds: float
    step: int
    map50: float


def is_open(run: str) -> bool:
    """Whether processes of this clone started the run of that id, MLflow's or a `Run`'s, and none has ended it."""
    outbox = outbox_of_run(run)
    statuses = [line.values["status"] for line in outbox.lines() if line.kind == "status"] if outbox else []
    return statuses[-1:] == ["RUNNING"]


def recorded_run(model_hash: str) -> str | None:
    """MLflow's id of the run that trained the model with that DVC hash; None if not trained in this clone."""
    record = model_record(model_hash)
    return mlflow_id(record.read_text(encoding="utf-8")) if record.exists() else None


def training_seconds(model_hash: str) -> float | None:
    """Duration of the training of the model with that DVC hash, interruptions left out; None if not trained here."""
    record = model_record(model_hash)
    outbox = find_outbox(record.read_text(encoding="utf-8")) if record.exists() else None
    return _seconds_until_finished(outbox) if outbox else None


def last_training() -> FinishedTraining | None:
    """The last training that this clone finished; None if there is none."""
    for outbox in reversed(all_outboxes()):
        steps = max((line.step for line in outbox.lines() if "train/loss" in line.values), default=0)
        values = next((line.values for line in outbox.lines() if line.kind == "params"), {})
        seconds = _seconds_until_finished(outbox)
        if steps and seconds and values:
            return FinishedTraining(seconds, steps, values)
    return None


def validations() -> list[tuple[str, list[Validation]]]:
    """The name of each run of this clone that trained, the earliest first, and its validations in order.

    Interruptions do not count. What a resumed training did again counts twice.
    """
    found = []
    for outbox in all_outboxes():
        lines = [(seconds, line) for seconds, line in _timed_lines(outbox) if "val/mAP50" in line.values]
        measured = [Validation(seconds, line.step, line.values["val/mAP50"]) for seconds, line in lines if line.step]
        if measured:
            found.append((outbox.header.name, measured))
    return found


def _seconds_until_finished(outbox: Outbox) -> float | None:
    return next((seconds for seconds, line in _timed_lines(outbox) if line.values.get("status") == "FINISHED"), None)


def _timed_lines(outbox: Outbox) -> Iterator[tuple[float, Line]]:
    """Metrics and statuses, with the seconds that its processes ran until then."""
    seconds, before = 0.0, None
    for line in outbox.lines():
        if line.kind in ("metrics", "status"):
            # Nothing ran between the end of one process and the start of the next.
            if before is not None and line.values.get("status") != "RUNNING":
                seconds += (line.time - before) / 1000
            before = line.time
            yield seconds, line


def mlflow_id(run: str) -> str | None:
    """MLflow's id of the run with that outbox; None while MLflow has not heard of it."""
    outbox = find_outbox(run)
    return outbox.sent()[0] if outbox else None


def model_record(model_hash: str) -> Path:
    """The file that holds the id of the run that trained a model, named by DVC's hash of the model's folder."""
    return paths.LOCAL / "models" / model_hash
