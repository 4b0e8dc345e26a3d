"""Checkpoints of a training: the key and the folder they lie in, saving, resuming, and the best weights.

DVC removes a stage's outputs before it runs, so checkpoints lie in an untracked folder. It is named by everything that
the trained weights depend on: a training that was killed resumes, one of other parameters, data or code does not.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import tensorflow as tf

from apparel import paths
from apparel.errors import Pruned, UserError
from apparel.params import Params
from apparel.training import bucket_checkpoints
from apparel.training.trial_messages import TRAINING_UNDER_WAY
from apparel.utils import files, locking, yaml

MADE_BY = "made_by.json"
"""File in a training's folder: the digest of the `code` that trains, and the `study` of a sweep that needs it, or "".
"""

CODE = ("apparel", "stages")
"""Folders of the project's code; other dependencies of the stage train are data."""


@dataclass
class Progress:
    """State of a training besides weights, optimizer and position; a checkpoint holds it as JSON.

    Attributes:
        history: one row a validation, see `loop.history_table`.
        best: `step` and metrics of the best validation so far; empty before the first.
        thresholds: score thresholds chosen at the best validation, as `Thresholds.plain` gives them.
        sums: training losses added up since the last validation, by metric name, and their number, `steps`.
        validations_since_best: validations since the best one.
    """

    history: list[dict] = field(default_factory=list)
    best: dict = field(default_factory=dict)
    thresholds: dict = field(default_factory=dict)
    sums: dict[str, float] = field(default_factory=dict)
    validations_since_best: int = 0


class Checkpoints:
    """Checkpoints of one training: the last two, to resume from, and the best weights.

    Args:
        folder: where they lie.
        model: the detector's model.
        state: what else a resumed training needs: optimizer and variables, by name.
    """

    def __init__(self, folder: Path, model: tf.Module, **state: Any) -> None:
        self._folder, self._model = folder, model
        self._bucket = bucket_checkpoints.of(folder)
        self._progress = tf.Variable("", dtype=tf.string)
        checkpoint = tf.train.Checkpoint(model=model, progress=self._progress, **state)
        self._manager = tf.train.CheckpointManager(checkpoint, str(folder / "latest"), max_to_keep=2)

    def save(self, step: tf.Variable, progress: Progress) -> None:
        """Writes a checkpoint, removes best weights that are no longer the best, and sends both to the bucket."""
        self._progress.assign(json.dumps(asdict(progress)))
        self._manager.save(step)
        best = f"step-{progress.best.get('step')}."
        for file in (self._folder / "best").glob("step-*"):
            if not file.name.startswith(best):
                file.unlink()
        if self._bucket:
            self._bucket.send(int(step))

    def resume(self) -> Progress | None:
        """Restores the newest checkpoint that is not damaged; None where there is none."""
        for path in reversed(self._manager.checkpoints):
            if is_whole(path):
                self._manager.checkpoint.read(path).assert_existing_objects_matched()
                return Progress(**json.loads(self._progress.numpy()))
            print(f"the checkpoint {path} is damaged and skipped")
        return None

    def save_best(self, step: int) -> None:
        """Writes the model's weights as those of the best step.

        Those of the best step before stay until `save` has written a checkpoint that names the new one.
        """
        tf.train.Checkpoint(model=self._model).write(str(self._best(step)))

    def restore_best(self, step: int) -> None:
        """Restores the weights that `save_best` wrote at a step."""
        status = tf.train.Checkpoint(model=self._model).read(str(self._best(step)))
        status.assert_existing_objects_matched().expect_partial()

    def _best(self, step: int) -> Path:
        return self._folder / "best" / f"step-{step}"


def is_whole(path: str) -> bool:
    """Whether every tensor of a checkpoint reads back with its checksum."""
    try:
        reader = tf.train.load_checkpoint(path)
        for name in reader.get_variable_to_shape_map():
            reader.get_tensor(name)
    except (tf.errors.OpError, ValueError, IndexError, RuntimeError):
        return False
    return True


def training_key(params: Params) -> str:
    """Hash of everything that the trained weights depend on: parameters, data, pipeline file, pretrained weights, code.

    It names the folder of a training's checkpoints.

    Raises:
        UserError: dvc.yaml is not valid YAML.
    """
    digest = hashlib.sha256()
    section = {"train": params.train.model_dump(), "classes": params.data.classes}
    digest.update(json.dumps(section, sort_keys=True).encode())
    config = paths.CONFIGS / f"{params.train.detector}.config"
    data = [paths.TFRECORD / "index.json", *([config] if config.is_file() else [])]  # the training refuses its absence
    for file in [*data, *files.below(paths.PRETRAINED / params.train.checkpoint)]:
        digest.update(file.as_posix().encode())
        digest.update(file.read_bytes())
    digest.update(code_digest(Path()).encode())
    return digest.hexdigest()


def code_digest(root: Path) -> str:
    """Hash of the code that the stage train depends on, by name and content; `root` is the project's folder.

    Raises:
        UserError: dvc.yaml is not valid YAML.
    """
    digest = hashlib.sha256()
    for file in code_files(root):
        digest.update(file.relative_to(root).as_posix().encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


def code_files(root: Path) -> list[Path]:
    """The code among the `deps` of the stage train in dvc.yaml, sorted; none without dvc.yaml or such a stage.

    These are the files an edit of which makes DVC run the stage again, so that both have one list: code that changes
    no output, such as that of MLflow, is not in it.

    Raises:
        UserError: dvc.yaml is not valid YAML.
    """
    pipeline = root / "dvc.yaml"
    stages = (yaml.load(pipeline) or {}).get("stages", {}) if pipeline.is_file() else {}
    deps = [root / dep for dep in stages.get("train", {}).get("deps", []) if PurePosixPath(dep).parts[0] in CODE]
    listed = {file for dep in deps for file in (files.below(dep) if dep.is_dir() else [dep])}
    return sorted(file for file in listed if file.is_file() and "__pycache__" not in file.parts)


@contextmanager
def checkpoint_folder(key: str) -> Iterator[Path]:
    """The folder of a training's checkpoints, locked; removed when the training ends well or is pruned.

    Folders that no training can resume are removed first, see `remove_abandoned`. Where a bucket has newer checkpoints
    of this training, they are in the folder; they are removed with it.

    Args:
        key: of the training, from `training_key`.

    Raises:
        UserError: the same training is running in another process, or the bucket does not answer.
    """
    folder = paths.LOCAL / "training" / key
    with locking.only_one(folder.with_suffix(".lock"), TRAINING_UNDER_WAY):
        folder.mkdir(exist_ok=True)
        _record_maker(folder)
        remove_abandoned()
        bucket = bucket_checkpoints.of(folder)
        if bucket:
            bucket.take_up()
        try:
            yield folder
        except Pruned:
            _remove(folder)  # a pruned trial is not resumed
            raise
        _remove(folder)


def _remove(folder: Path) -> None:
    """Removes the checkpoints of a training that has ended, here and in the bucket."""
    if bucket := bucket_checkpoints.of(folder):
        bucket.remove()
    files.remove_tree(folder)


def remove_abandoned() -> None:
    """Removes the checkpoints that no training can resume, since the code has changed since.

    The trainings of one clone share `.apparel/training`, its experiments and sweeps included. These are kept:

    - Checkpoints by the code of this training, or by the project's code of today: parameters and data may be set back.
      The two differ where DVC runs an experiment of another revision in a copy of the project.
    - Those that a sweep needs, as long as this clone has its folder: its trials train the code of when it began.
    - Those whose training runs: it holds their lock.

    Nothing is removed where dvc.yaml does not list the project's code, such as in the middle of an edit.
    """
    project = paths.LOCAL.parent
    try:
        if not all(code_files(root) for root in (Path(), project)):
            return
        codes = {code_digest(Path()), code_digest(project)}
    except UserError:
        return
    for folder in (paths.LOCAL / "training").glob("*/"):
        made_by = _maker(folder)
        study = made_by["study"]
        if made_by["code"] in codes or (study and (paths.LOCAL / "sweeps" / study).is_dir()):
            continue
        with suppress(UserError), locking.only_one(folder.with_suffix(".lock"), TRAINING_UNDER_WAY):
            files.remove_tree(folder)


def _record_maker(folder: Path) -> None:
    """Writes who made the checkpoints; those that a sweep needs stay its own when another training resumes them."""
    study = os.environ.get(paths.STUDY_VARIABLE) or _maker(folder)["study"]
    files.write_json(folder / MADE_BY, {"code": code_digest(Path()), "study": study})


def _maker(folder: Path) -> dict[str, str]:
    """What `_record_maker` wrote; empty values where it is missing or damaged: older code wrote none."""
    try:
        values = json.loads((folder / MADE_BY).read_text(encoding="utf-8"))
        return {"code": str(values["code"]), "study": str(values["study"])}
    except (OSError, ValueError, KeyError, TypeError):
        return {"code": "", "study": ""}
