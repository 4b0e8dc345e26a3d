"""What this clone knows of its runs without asking MLflow: from their outboxes, and by the weights they made."""

import hashlib
from itertools import pairwise
from pathlib import Path

from apparel import paths
from apparel.tracking import outbox
from apparel.utils import files


def is_open(run: str) -> bool:
    """Whether processes of this clone began the run of that id, MLflow's or a `Run`'s, and none has ended it."""
    box = outbox.of_run(run)
    statuses = [line.values["status"] for line in box.lines() if line.kind == "status"] if box else []
    return statuses[-1:] == ["RUNNING"]


def recorded_run(model: Path) -> str | None:
    """MLflow's id of the run that trained the model in this folder, as far as this clone saw the training."""
    record = of_model(model)
    return mlflow_id(record.read_text(encoding="utf-8")) if record.exists() else None


def training_seconds(model: Path) -> float | None:
    """How long the training of the model in this folder took, all its parts together; None when not seen here."""
    record = of_model(model)
    box = outbox.find(record.read_text(encoding="utf-8")) if record.exists() else None
    lines = [line for line in box.lines() if line.kind in ("metrics", "status")] if box else []
    ended = next((at for at, line in enumerate(lines) if line.values.get("status") == "FINISHED"), None)
    if ended is None:
        return None
    # From the end of one part to the beginning of the next nothing ran.
    spans = [pair for pair in pairwise(lines[: ended + 1]) if pair[1].values.get("status") != "RUNNING"]
    return sum(after.time - before.time for before, after in spans) / 1000


def mlflow_id(run: str) -> str | None:
    """MLflow's id of the run with that id, a `Run`'s; None while MLflow has not heard of it."""
    box = outbox.find(run)
    return box.sent()[0] if box else None


def of_model(model: Path) -> Path:
    """The file that says which run made these weights: named by the content of all files of the model."""
    digest = hashlib.sha256()
    for file in files.below(model):
        with file.open("rb") as handle:
            content = hashlib.file_digest(handle, "sha256").hexdigest()
        digest.update(f"{content} {file.relative_to(model).as_posix()}\n".encode())
    return paths.LOCAL / "models" / digest.hexdigest()
