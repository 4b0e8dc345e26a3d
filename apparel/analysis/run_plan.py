"""Plan of a run: the stages that DVC will run for given parameters, and how long they are expected to take."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from apparel import params, paths
from apparel.data import index, pinned_split
from apparel.errors import UserError
from apparel.models import pipeline_config
from apparel.tracking import local_runs
from apparel.utils import yaml
from apparel.versioning import durations, dvc_lock, dvc_yaml

SECONDS_PER_PHOTO = 0.064
"""Of a training step, at 300 pixels and a depth multiplier of 0.75: the recipe `six` (40 epochs of 699 photos) takes
30 minutes on 2 cores of a processor without AVX-512."""

SECONDS_OF_OTHER_STAGES = 15
"""Of a stage that never ran here, train left out: most of it imports TensorFlow."""


def stages_to_run(config: params.Params, force: bool = False) -> list[str]:
    """The stages of dvc.yaml that are not up to date for these parameters, in their order.

    `dvc status` compares files, and parameters as params.yaml has them now; those of `config` are compared here.

    Raises:
        UserError: DVC cannot tell.
    """
    pipeline = dvc_yaml.read_stages(yaml.load(paths.DVC_YAML), config.model_dump())
    if force or not dvc_lock.read_workspace().stages:
        return list(pipeline)
    status, lock = dvc_status(), dvc_lock.read_workspace()
    stages: list[str] = []
    outputs: list[PurePosixPath] = []  # of the stages that will run
    for name, stage in pipeline.items():
        if (
            name not in lock.stages
            or any(PurePosixPath(dep).is_relative_to(output) for dep in stage["deps"] for output in outputs)
            or _files_differ(status.get(name, []), stage, lock.deps(name), config)
            or _parameters_differ(stage["params"], lock.parameters([name]), config)
        ):
            stages.append(name)
            outputs += map(PurePosixPath, lock.outs(name) if name in lock.stages and name != "check" else ())
    return stages


def expected_seconds(config: params.Params, stages: list[str]) -> tuple[float, str]:
    """How long these stages are expected to take, in seconds, and what that is judged by."""
    past = durations.read()
    others = sum(past.get(name, SECONDS_OF_OTHER_STAGES) for name in stages if name != "train")
    if "train" not in stages:
        return others, "as long as they took the last time" if past.keys() >= set(stages) else "a guess"
    steps = pipeline_config.steps_of(config.train, training_photos(config, stages))
    seconds = _training_seconds(steps, config.flat())
    last = local_runs.last_training()
    if last is None:
        return others + seconds, f"{steps:,} steps on 2 cores; nothing was trained in this clone yet"
    judged_by = f"{steps:,} steps; the last training took {duration_text(last.seconds)} for {last.steps:,}"
    return others + seconds * last.seconds / _training_seconds(last.steps, last.params), judged_by


def training_photos(config: params.Params, stages: list[str]) -> int:
    """The number of photos to train on: as the TFRecords have it where they stay, else as split would have it."""
    if not {"convert", "split", "tfrecord"} & set(stages):
        return index.read_index(paths.TFRECORD).splits["train"].photos
    folder, share, of_all = paths.photos(config.data.name), 1 - config.split.val_fraction, False
    if config.split.fold:
        _, folds, of_all = params.parse_fold(config.split.fold)
        share = 1 - 1 / folds
    photos = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if config.split.train_list:
        listed = pinned_split.read_photo_list(paths.lists(config.data.name) / config.split.train_list, photos)
        return max(1, round(len(listed) * share))
    drawn = yaml.load(folder.parent / "params.yaml")["draw"]["photos"] if not photos else 0
    rest = 1 if of_all else 1 - config.split.test_fraction
    return max(1, round((len(photos) or drawn) * rest * share))


def duration_text(seconds: float) -> str:
    """Seconds up to two minutes, minutes up to two hours, else hours."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} hours"


def dvc_status() -> dict[str, Any]:
    """What `dvc status` says by stage, and by file of tracked data.

    Raises:
        UserError: DVC failed; its own words are the message.
    """
    command = [sys.executable, "-m", "dvc", "status", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        return json.loads(done.stdout or "{}") if done.returncode == 0 else _fail(done)
    except ValueError:
        return _fail(done)


def _training_seconds(steps: int, values: Mapping[str, Any]) -> float:
    """Seconds of so many steps with these parameters, by dotted name, as numbers or as MLflow has them, as text."""
    batch_size, resolution, depth_multiplier = (
        float(values[f"train.{key}"]) for key in ("batch_size", "resolution", "depth_multiplier")
    )
    # Trainings of versions that had no teacher lack the keys.
    taught = 0 if values.get("train.teacher", "none") == "none" else float(values["train.unlabelled_ratio"])
    return steps * batch_size * (1 + taught) * SECONDS_PER_PHOTO * _cost(resolution, depth_multiplier)


def _cost(resolution: float, depth_multiplier: float) -> float:
    """Time for a photo, as a multiple of that at 300 pixels and 0.75: pixels count in full, width by its root.

    The drawn photos, at 160 pixels and 0.25, took 0.010 s each, which this has as 0.0105.
    """
    return (resolution / 300) ** 2 * (depth_multiplier / 0.75) ** 0.5


def _files_differ(reasons: list, stage: dict, locked: dict[str, str], config: params.Params) -> bool:
    """Whether files of a stage differ from what dvc.lock has, parameters in their names given by `config`."""
    named = {dep: _filled_in(dep, config) for dep in stage["deps"] if "${" in dep}
    if not set(named.values()) <= locked.keys():
        return True
    today = {_filled_in(dep, params.load()) for dep in named} - set(named.values())
    for reason in reasons:
        if not isinstance(reason, dict) or "changed outs" in reason:
            return True
        if reason.get("changed deps", {}).keys() - today - {paths.PARAMS.as_posix()}:
            return True
    return False


def _parameters_differ(keys: list[str], locked: dict[str, Any], config: params.Params) -> bool:
    values = config.flat().items()
    return {name: value for name, value in values if {name, name.partition(".")[0]} & set(keys)} != locked


def _filled_in(path: str, config: params.Params) -> str:
    for name, value in config.flat().items():
        path = path.replace(f"${{{name}}}", str(value))
    return path


def _fail(done: subprocess.CompletedProcess) -> dict:
    raise UserError(f"`dvc status` failed: {done.stderr.strip() or done.stdout.strip()}")
