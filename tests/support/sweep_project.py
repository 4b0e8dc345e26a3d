"""A copy of the project with a fake training of a second; the rest of a sweep, DVC and MLflow included, is real.

The fake training has no network. It has the steps, validations, reports and checkpoints of the real one, and its
val/mAP50 is best at learning rate 0.01.
"""

import csv
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

from ruamel.yaml import YAML

from tests.support import project_copy

PIPELINE = """
stages:
  tfrecord:
    cmd: git rev-parse --is-inside-work-tree > data/results/records
    outs: [data/results/records]
  train:
    cmd: python -m stages.train
    params: [train]
    deps: [data/results/records, stages/train.py]
    outs: [data/results/train/model, data/results/train/history.csv]
    metrics: [{data/results/train/val.json: {cache: false}}]
"""

CONFIG = {
    "study": "tiny",
    "budget": {"trials": 4},
    "pruner": {"kind": "none"},
    "fixed": {"train.epochs": 4, "train.validate_every": 1},
    "space": {"train.learning_rate": {"float": [1e-4, 1e-1], "log": True}},
}

FAKE_TRAINING = '''"""Fake training."""

import csv, hashlib, json, os, shutil, time
from apparel import errors, params, paths
from apparel.tracking import runs
from apparel.training import trial_messages
from apparel.utils import locking

STEPS = 10  # an epoch


def main():
    folder = paths.LOCAL / "training" / hashlib.sha256(repr(params.load().train).encode()).hexdigest()
    with locking.only_one(folder.with_suffix(".lock"), trial_messages.TRAINING_UNDER_WAY):
        work(folder)


def work(folder):
    train = (current := params.load()).train
    if train.learning_rate > 0.5:
        raise errors.UserError(f"the loss is no longer a finite number at step {train.batch_size}")
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint = folder / "checkpoint"
    first = int(checkpoint.read_text()) if checkpoint.exists() else 0
    note_start(first)
    try:
        with runs.open_run(current, folder.name) as run:
            report = trial_messages.connect(
                lambda step, values: run.log_metrics(values, step), run.id, lambda step: step // STEPS
            )
            rows = [validation(train, epoch) for epoch in range(1, train.epochs + 1)]
            for step in range(first + 1, train.epochs * STEPS + 1):
                time.sleep(float(os.environ.get("SECONDS_A_STEP", "0.01")))
                report(step, {"train/loss": 1 / step})
                if step % STEPS == 0:
                    report(step, {name: rows[step // STEPS - 1][name] for name in ("val/mAP50", "val/loss")})
                    checkpoint.write_text(str(step))
            paths.MODEL.mkdir(parents=True, exist_ok=True)
            (paths.MODEL / "weights").write_text(repr(train))
            with paths.HISTORY.open("w", newline="") as file:
                writer = csv.DictWriter(file, rows[0])
                writer.writeheader()
                writer.writerows(rows)
            val = {"mAP50": rows[-1]["val/mAP50"], "loss": rows[-1]["val/loss"], "AP50": {}}
            paths.VAL_METRICS.write_text(json.dumps({"val": val}))
    except errors.Pruned:
        shutil.rmtree(folder)
        raise
    shutil.rmtree(folder)


def validation(train, epoch):
    value = 1 - abs(train.learning_rate - 0.01) - 1 / (epoch + 1)
    return {"step": epoch * STEPS, "epoch": epoch, "val/mAP50": value, "val/loss": 1 - value}


def note_start(first):
    with (paths.LOCAL / "trained.csv").open("a") as file:
        file.write(f"{os.environ.get('APPAREL_TRIAL', -1)},{first},{os.getpid()}\\n")


if __name__ == "__main__":
    errors.run(main)
'''


def copy(folder: Path, **changes: Any) -> Path:
    """A committed copy with the fake training, and `configs/tiny.yaml` with `changes`."""
    project_copy.copy(folder)
    (folder / "data" / "results").mkdir(parents=True, exist_ok=True)
    (folder / "data" / "demo" / "dvc.yaml").unlink()
    (folder / "dvc.yaml").write_text(PIPELINE, encoding="utf-8")
    (folder / "stages" / "train.py").write_text(FAKE_TRAINING, encoding="utf-8")
    project_copy.set_params(folder / "params.yaml", train={"learning_rate": 0.004})
    write_config(folder, **changes)
    project_copy.git(folder, "config", "user.name", "test")
    project_copy.git(folder, "config", "user.email", "test@localhost")
    project_copy.git(folder, "add", "--all")
    project_copy.git(folder, "commit", "--quiet", "--message", "tiny")
    return folder


def write_config(folder: Path, **changes: Any) -> None:
    """Writes `configs/tiny.yaml`."""
    with (folder / "configs" / "tiny.yaml").open("w", encoding="utf-8") as file:
        YAML(typ="safe").dump(CONFIG | changes, file)


def start_sweep(folder: Path, *arguments: str, log: IO[bytes], **environment: str) -> subprocess.Popen:
    """Starts `apparel sweep` with that configuration."""
    return start_module(folder, "apparel", "sweep", "--config", "configs/tiny.yaml", *arguments, log=log, **environment)


def start_module(folder: Path, *arguments: str, log: IO[bytes], **environment: str) -> subprocess.Popen:
    """Starts `python -m ARGUMENTS` in a process group of its own, without the caller's stores."""
    return subprocess.Popen(
        [sys.executable, "-m", *arguments],
        cwd=folder,
        env=project_copy.environment("OPTUNA_", "APPAREL_") | environment,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
    )


def run_sweep(folder: Path, *arguments: str, **environment: str) -> tuple[int, str]:
    """Runs `apparel sweep` to its end; returns exit status and output."""
    with (folder / "sweep.log").open("wb") as log:
        status = start_sweep(folder, *arguments, log=log, **environment).wait()
    return status, (folder / "sweep.log").read_text(encoding="utf-8")


def trainings(folder: Path) -> list[tuple[int, int, int]]:
    """Trial (-1 outside a sweep), step that it resumed from, and process id of each training, by start."""
    path = folder / ".apparel" / "trained.csv"
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return [tuple(map(int, row)) for row in csv.reader(file)]
