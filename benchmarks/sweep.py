"""Overhead of a sweep's trial: a small sweep in a copy of the project, and the seconds of each part of its trials."""

import json
import os
import secrets
import subprocess
import sys
import tempfile
from contextlib import chdir
from pathlib import Path
from statistics import median

from optuna.trial import FrozenTrial, TrialState

from apparel.errors import UserError
from apparel.sweeps import failure_log, snapshot, storage, workspace
from apparel.tracking.outbox import outbox_of_run
from benchmarks.side_by_side import Row

STUDY = "benchmark"
CONFIG = Path("benchmark.yaml")
REMOVED_VARIABLES = ("DVC_", "MLFLOW_", "APPAREL_", "OPTUNA_", "TQDM_")
"""Prefixes of environment variables that would lead out of the copy, or hide the progress."""


def measure(steps: int, trials: int) -> list[Row]:
    """Runs a sweep whose trials differ in their seed; returns the seconds of a trial and of its steps.

    The copy uses the project's DVC cache, where the trained models stay until `dvc gc`; nothing else stays.

    Args:
        steps: training steps of each trial, rounded to tens.
        trials: number of measured trials. One more runs before them with the seed of params.yaml, whose result may
            be in the cache.

    Raises:
        UserError: the project can't be copied, or the sweep fails.
    """
    steps = max(10, round(steps, -1))
    with tempfile.TemporaryDirectory() as temporary:
        copy = workspace.Workspace(Path(temporary, "project"), snapshot.take(CONFIG))
        copy.create()
        _run_sweep(copy.folder, steps, [secrets.randbelow(2**31) for _ in range(trials)])
        with chdir(copy.folder):
            study = storage.load_study(storage.LOCAL, STUDY)
            complete = study.get_trials(states=[TrialState.COMPLETE])
            measured = [_seconds_by_part(trial) for trial in complete if trial.number > 0]
    if not measured:
        raise UserError("no trial of the benchmark is complete")
    return [_row(measured, steps)]


def _run_sweep(folder: Path, steps: int, seeds: list[int]) -> None:
    config = {
        "study": STUDY,
        "sampler": {"kind": "grid"},
        "pruner": {"kind": "none"},
        "budget": {},
        "fixed": {"train.steps": steps, "train.validate_every": 1000, "train.patience": 0},
        "space": {"train.seed": {"choice": seeds}},
    }
    (folder / CONFIG).write_text(json.dumps(config), encoding="utf-8")  # JSON is YAML
    environment = {name: value for name, value in os.environ.items() if not name.startswith(REMOVED_VARIABLES)}
    with (folder / "benchmark.log").open("wb") as log:
        command = [sys.executable, "-m", "apparel", "sweep", "--config", str(CONFIG)]
        print(f"a sweep of {1 + len(seeds)} trials in a copy of the project:", file=sys.stderr)
        process = subprocess.run(command, cwd=folder, env=environment, stdout=log, check=False)
    if process.returncode:
        log_end = failure_log.last_lines(folder / "benchmark.log")
        raise UserError(f"the sweep failed, see above; its output ends with\n{log_end}")


def _seconds_by_part(trial: FrozenTrial) -> dict[str, float]:
    """Seconds of a complete trial by part, from the times at which the worker and the training wrote their records."""
    outbox = outbox_of_run(trial.user_attrs["run"])
    run_started = outbox.header.start / 1000
    lines = list(outbox.lines())
    batch_size = int(next(line.values["train.batch_size"] for line in lines if "train.batch_size" in line.values))
    metrics = [line for line in lines if line.kind == "metrics"]
    steps = [line for line in metrics if "images_per_second" in line.values]
    first_step, *later_steps = [batch_size / line.values["images_per_second"] for line in steps]
    step = median(later_steps)
    first_end, last_end = steps[0].time / 1000, steps[-1].time / 1000
    validated = next(line.time for line in reversed(metrics) if "val/mAP50" in line.values) / 1000
    return {
        "its steps alone": last_end - first_end + step,
        "set-up, DVC's checks and imports": run_started - trial.datetime_start.timestamp(),
        "model and input pipeline": first_end - first_step - run_started,
        "graph tracing": first_step - step,
        "evaluation on val": validated - last_end,
        "results kept (model, DVC's cache, MLflow, git)": trial.datetime_complete.timestamp() - validated,
    }


def _row(measured: list[dict[str, float]], steps: int) -> Row:
    medians = {part: median(seconds[part] for seconds in measured) for part in measured[0]}
    training, *others = medians
    work = f"{steps} steps; besides them " + ", ".join(f"{part} {medians[part]:.1f} s" for part in others)
    whole = [sum(seconds.values()) for seconds in measured]
    return Row("a trial of a sweep", training, whole, [seconds[training] for seconds in measured], work)
