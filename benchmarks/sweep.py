"""What a trial costs beside its training: a small sweep in a copy of the project, and where its time went."""

import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from contextlib import chdir
from pathlib import Path
from statistics import median

from optuna.trial import FrozenTrial, TrialState

from apparel.errors import UserError
from apparel.sweeps import failure_log, snapshot, storage, workspace
from apparel.tracking.outbox import outbox_of_run

STUDY = "benchmark"
SETTINGS = Path("benchmark.yaml")
OUTER = ("DVC_", "MLFLOW_", "APPAREL_", "OPTUNA_", "TQDM_")
"""Environment variables that would lead out of the copy, or hide how it goes."""


def measure(steps: int, trials: int) -> str:
    """Trains so many trials, which differ in their seed, for so many steps each, as params.yaml has them.

    The copy has the project's DVC cache, where what was trained stays until `dvc gc`; nothing else does.

    Args:
        steps: training steps of each trial, in tens.
        trials: how many count; params.yaml's own seed comes before them, and may have its result in the cache.

    Raises:
        UserError: the project can't be copied, or the sweep fails.
    """
    steps = max(10, round(steps, -1))
    with tempfile.TemporaryDirectory() as made:
        copy = workspace.Workspace(Path(made, "project"), snapshot.take(SETTINGS))
        copy.make()
        _sweep(copy.folder, steps, [secrets.randbelow(2**31) for _ in range(trials)])
        with chdir(copy.folder):
            study = storage.load(storage.LOCAL, STUDY)
            imports = median(_seconds_to_import() for _ in range(3))
            ended = study.get_trials(states=[TrialState.COMPLETE])
            measured = [_parts(trial, imports) for trial in ended if trial.number > 0]
    if not measured:
        raise UserError("no trial of the benchmark came to its end")
    return _text(measured, steps)


def _sweep(folder: Path, steps: int, seeds: list[int]) -> None:
    settings = {
        "study": STUDY,
        "sampler": {"kind": "grid"},
        "pruner": {"kind": "none"},
        "budget": {},
        "fixed": {"train.steps": steps, "train.validate_every": 1000, "train.patience": 0},
        "space": {"train.seed": {"choice": seeds}},
    }
    (folder / SETTINGS).write_text(json.dumps(settings), encoding="utf-8")  # JSON is YAML
    environment = {name: value for name, value in os.environ.items() if not name.startswith(OUTER)}
    with (folder / "benchmark.log").open("wb") as log:
        command = [sys.executable, "-m", "apparel", "sweep", "--config", str(SETTINGS)]
        print(f"a sweep of {1 + len(seeds)} trials in a copy of the project; its progress:", file=sys.stderr)
        done = subprocess.run(command, cwd=folder, env=environment, stdout=log, check=False)
    if done.returncode:
        raise UserError(
            f"the sweep failed, see above; it had said:\n{failure_log.last_lines(folder / 'benchmark.log')}"
        )


def _seconds_to_import() -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import stages.train"], check=True, capture_output=True)
    return time.perf_counter() - began


def _parts(trial: FrozenTrial, imports: float) -> dict[str, float]:
    """Seconds by part, told by when the worker and the training wrote what they did."""
    outbox = outbox_of_run(trial.user_attrs["run"])
    opened = outbox.header.start / 1000
    lines = [line for line in outbox.lines() if line.kind == "metrics"]
    stepped = [line for line in lines if "images_per_second" in line.values]
    batch = int(next(line.values["train.batch_size"] for line in outbox.lines() if "train.batch_size" in line.values))
    first, *others = [batch / line.values["images_per_second"] for line in stepped]
    a_step = median(others)
    began, ended = stepped[0].time / 1000, stepped[-1].time / 1000
    judged = next(line.time for line in reversed(lines) if "val/mAP50" in line.values) / 1000
    until_opened = opened - trial.datetime_start.timestamp()
    imports = min(imports, until_opened)  # they were timed apart from the trial
    return {
        "the steps themselves": ended - began + a_step,
        "experiment set-up: values, DVC's checks": until_opened - imports,
        "imports": imports,
        "model and input pipeline": began - first - opened,
        "graph tracing": first - a_step,
        "evaluation on val": judged - ended,
        "results kept: model, DVC's cache, MLflow, git": trial.datetime_complete.timestamp() - judged,
    }


def _text(measured: list[dict[str, float]], steps: int) -> str:
    parts = {name: median(each[name] for each in measured) for name in measured[0]}
    (trained, seconds), *others = parts.items()
    lines = [
        f"sweep: trials of {steps} steps, {len(measured)} of them; seconds, median",
        f"  {seconds:6.1f}  {trained}",
    ]
    lines += [f"  {seconds:6.1f}  {name}" for name, seconds in others]
    return "\n".join([*lines, f"  {sum(seconds for _, seconds in others):6.1f}  a trial costs beside its steps"])
