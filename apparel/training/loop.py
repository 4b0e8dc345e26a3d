"""One training loop: step, validate, keep the best weights, checkpoint, go on after a crash."""

import hashlib
import json
import math
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pandas as pd
import tensorflow as tf

from apparel import paths
from apparel.data.index import Index
from apparel.errors import Pruned, UserError, one_line
from apparel.evaluation import metrics
from apparel.inference.predictor import detect_split
from apparel.models import pipeline_config
from apparel.models.detector import Detector, sum_in_order, total_loss
from apparel.models.inputs import Batch
from apparel.models.tfod import model as compat_model
from apparel.models.tfod import optimizer as compat_optimizer
from apparel.params import Params, Train
from apparel.training import trial_messages
from apparel.training.input_pipeline import training_batches
from apparel.utils import files, locking

SECONDS_BETWEEN_CHECKPOINTS = 60
"""A crash costs at most that much work; it changes no result."""

Report = Callable[[int, dict[str, float]], None]
"""Takes a step and what was measured at it, such as `{"train/loss": 1.2}`."""


@dataclass
class Progress:
    """What the loop knows besides weights; lies in the checkpoint as JSON."""

    history: list[dict] = field(default_factory=list)
    best: dict = field(default_factory=dict)
    """`step` and metrics of the best validation so far; empty before the first."""
    sums: dict[str, float] = field(default_factory=dict)
    """Training losses added up since the last validation, and `steps`."""
    validations_since_best: int = 0


class Training:
    """A detector on its way from its starting weights to its best ones.

    Args:
        detector: the model with its starting weights.
        index: of the TFRecords.
        train: the section `train` of params.yaml.
        folder: where checkpoints lie while the training is under way; a training that finds one there goes on from it.

    Raises:
        UserError: the TFRecords have other classes than the detector.
    """

    def __init__(self, detector: Detector, index: Index, train: Train, folder: Path):
        self.detector, self.index, self.train, self.folder = detector, index, train, folder
        detector.check_classes(index)
        self.steps = detector.config.train_config.num_steps
        self.photos = index.splits["train"].photos
        self.steps_per_epoch = self.photos / train.batch_size
        self.progress = Progress()
        self.step = tf.Variable(0, dtype=tf.int64)
        self.place = tf.Variable([0, 0], dtype=tf.int64)
        self.optimizer = compat_optimizer.build(detector.config)
        self.trainable = _trainable(detector, train.freeze)
        averaged = detector.model.variables if train.moving_average else []
        self.averages = [tf.Variable(variable, trainable=False) for variable in averaged]
        self._notes = tf.Variable("", dtype=tf.string)
        self._train_step = tf.function(self._step, autograph=False)
        checkpoint = tf.train.Checkpoint(
            model=detector.model,
            optimizer=self.optimizer,
            step=self.step,
            place=self.place,
            averages=self.averages,
            notes=self._notes,
        )
        self._manager = tf.train.CheckpointManager(checkpoint, str(folder / "latest"), max_to_keep=2)

    def run(self, report: Report) -> Progress:
        """Trains until the last step, or until `train.patience` validations brought nothing better.

        The detector then has its best weights on val, and the checkpoints may go.

        Raises:
            UserError: the loss is no longer a finite number, or the pipeline file makes no training.
        """
        self._resume()
        batches = iter(self._batches())
        saved = time.monotonic()
        while self.step < self.steps and not self._patience_is_over():
            asked = time.perf_counter()
            batch = next(batches)
            began = time.perf_counter()
            values = self._learn(batch)
            ended = time.perf_counter()
            step = int(self.step)
            self._count(step, values)
            report(step, values | _speed(self.train.batch_size, asked, began, ended))
            if self.validation_at(step):
                report(step, self._validate(step, values["learning_rate"]))
                saved = 0
            if time.monotonic() - saved > SECONDS_BETWEEN_CHECKPOINTS:
                self._save()
                saved = time.monotonic()
        self._restore_best()
        return self.progress

    def validation_at(self, step: int) -> int:
        """The number, from 1, of the validation that follows a step; 0 where none does. One follows the last step."""
        every = self.train.validate_every
        number = max(1, round(step / (every * self.steps_per_epoch)))
        if step == pipeline_config.steps_in(number * every, self.photos, self.train.batch_size):
            return number
        return math.ceil(step / (every * self.steps_per_epoch)) if step == self.steps else 0

    def _batches(self) -> tf.data.Dataset:
        epoch, position = self.place.numpy().tolist()
        return training_batches(self.index, self.detector.config, self.train, epoch, position)

    def _learn(self, batch: Batch) -> dict[str, float]:
        try:
            return {name: float(value) for name, value in self._train_step(batch).items()}
        except (ValueError, TypeError, tf.errors.InvalidArgumentError) as error:
            file = paths.CONFIGS / f"{self.train.detector}.config"
            raise UserError(f"{file} makes no training: {one_line(error)}") from None

    def _step(self, batch: Batch) -> dict[str, tf.Tensor]:
        with tf.GradientTape() as tape:
            losses, _ = self.detector.losses(batch, training=True)
            total = total_loss(losses)
        rate = compat_optimizer.learning_rate(self.detector.config, self.step)
        self.optimizer.learning_rate.assign(rate)
        gradients = tape.gradient(total, self.trainable)
        if longest := self.detector.config.train_config.gradient_clipping_by_norm:
            norm = tf.sqrt(2 * sum_in_order([tf.nn.l2_loss(gradient) for gradient in gradients]))
            gradients, _ = tf.clip_by_global_norm(gradients, longest, use_norm=norm)
        self.optimizer.apply_gradients(zip(gradients, self.trainable, strict=True))
        self.step.assign_add(1)
        self.place.assign([batch["epoch"], batch["position"]])
        self._average()
        return {"train/loss": total} | {f"train/{name}": losses[name] for name in losses} | {"learning_rate": rate}

    def _average(self) -> None:
        """Averages start short, as TensorFlow's `ExponentialMovingAverage` has them with `num_updates`."""
        if not self.averages:
            return
        step = tf.cast(self.step, tf.float32)
        decay = tf.minimum(self.train.moving_average, (1 + step) / (10 + step))
        for average, variable in zip(self.averages, self.detector.model.variables, strict=True):
            average.assign_sub((average - variable) * (1 - decay))

    def _count(self, step: int, values: dict[str, float]) -> None:
        if not all(abs(value) < float("inf") for value in values.values()):
            raise UserError(f"the loss is no longer a finite number at step {step}: lower train.learning_rate")
        sums = self.progress.sums
        for name in ("train/loss", "train/classification_loss", "train/localization_loss"):
            sums[name] = sums.get(name, 0.0) + values.get(name, 0.0)
        sums["steps"] = sums.get("steps", 0) + 1

    def _validate(self, step: int, learning_rate: float) -> dict[str, float]:
        with self._averaged():
            measured = validate(self.detector, self.index)
            if self._is_better(measured):
                self._keep_best(step, measured)
            else:
                self.progress.validations_since_best += 1
        sums = self.progress.sums
        losses = {name: value / sums["steps"] for name, value in sums.items() if name != "steps"}
        row = {"step": step, "epoch": round(step / self.steps_per_epoch, 3), "learning_rate": learning_rate}
        self.progress.history.append(row | losses | measured)
        self.progress.sums = {}
        return measured

    @contextmanager
    def _averaged(self) -> Iterator[None]:
        """Lends the detector the averaged weights, where there are any."""
        pairs = list(zip(self.averages, self.detector.model.variables[: len(self.averages)], strict=True))
        plain = [variable.numpy() for _, variable in pairs]
        for average, variable in pairs:
            variable.assign(average)
        yield
        for (_, variable), value in zip(pairs, plain, strict=True):
            variable.assign(value)

    def _is_better(self, measured: dict[str, float]) -> bool:
        """By mAP50; of two that are equal, or unknown on a val without boxes, the one of the lower loss."""
        return not self.progress.best or _rank(measured) > _rank(self.progress.best)

    def _patience_is_over(self) -> bool:
        return 0 < self.train.patience <= self.progress.validations_since_best

    def _keep_best(self, step: int, measured: dict[str, float]) -> None:
        """Its name goes into the next checkpoint; the one before stays until that is written."""
        tf.train.Checkpoint(model=self.detector.model).write(str(self._best(step)))
        self.progress.best = {"step": step} | measured
        self.progress.validations_since_best = 0

    def _best(self, step: int) -> Path:
        return self.folder / "best" / f"step-{step}"

    def _restore_best(self) -> None:
        status = tf.train.Checkpoint(model=self.detector.model).read(str(self._best(self.progress.best["step"])))
        status.assert_existing_objects_matched().expect_partial()

    def _save(self) -> None:
        self._notes.assign(json.dumps(asdict(self.progress)))
        self._manager.save(self.step)
        kept = f"step-{self.progress.best.get('step')}."
        for file in (self.folder / "best").glob("step-*"):
            if not file.name.startswith(kept):
                file.unlink()

    def _resume(self) -> None:
        """Goes on from the newest checkpoint that reads whole; begins anew where there is none."""
        for path in reversed(self._manager.checkpoints):
            if _is_whole(path):
                self._manager.checkpoint.read(path).assert_existing_objects_matched()
                self.progress = Progress(**json.loads(self._notes.numpy()))
                print(f"going on from step {int(self.step)} of {self.steps}")
                return
            print(f"the checkpoint {path} is damaged and left out")


def validate(detector: Detector, index: Index) -> dict[str, float]:
    """Loss, mAP50 and AP50 by class on val, by metric name; not a number for a class without ground truth."""
    scored = detect_split(detector, index, "val")
    by_class = metrics.average_precision(scored.ground_truth, scored.detections, detector.classes)
    measured = {"val/loss": scored.loss, "val/mAP50": metrics.nan_mean(list(by_class.values()))}
    return measured | {f"val/AP50/{name}": value for name, value in by_class.items()}


def key(params: Params) -> str:
    """What tells this training from any other: parameters, code, data, pipeline file and starting checkpoint."""
    digest = hashlib.sha256()
    section = {"train": params.train.model_dump(), "classes": params.data.classes}
    digest.update(json.dumps(section, sort_keys=True).encode())
    checkpoint = paths.PRETRAINED / params.train.checkpoint
    config = paths.CONFIGS / f"{params.train.detector}.config"
    given = [paths.TFRECORD / "index.json", *([config] if config.is_file() else [])]  # without it nothing is trained
    code = sorted([*Path("apparel").rglob("*.py"), *Path("stages").glob("*.py")])
    for file in [*given, *files.below(checkpoint), *code]:
        digest.update(file.as_posix().encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


@contextmanager
def under_way(name: str) -> Iterator[Path]:
    """The folder of a training's checkpoints, locked; it goes when the training ends well, or for good.

    Raises:
        UserError: the same training is under way in another process.
    """
    folder = paths.LOCAL / "training" / name
    with locking.only_one(folder.with_suffix(".lock"), trial_messages.TRAINING_UNDER_WAY):
        folder.mkdir(exist_ok=True)
        try:
            yield folder
        except Pruned:
            shutil.rmtree(folder)  # nobody goes on with it
            raise
        shutil.rmtree(folder)


def history_table(progress: Progress) -> pd.DataFrame:
    """One row a validation: step, epoch, learning_rate, mean training losses since the last, and what val gave."""
    return pd.DataFrame(progress.history)


def val_metrics(progress: Progress) -> dict:
    """The best validation as DVC shows it: nested by name, `null` for a class without ground truth."""
    by_name = {name: None if value != value else value for name, value in progress.best.items()}
    prefix = "val/AP50/"
    by_class = {name.removeprefix(prefix): value for name, value in by_name.items() if name.startswith(prefix)}
    val = {"mAP50": by_name["val/mAP50"], "loss": by_name["val/loss"], "AP50": by_class}
    return {"val": val, "train": {"best_step": progress.best["step"]}}


def _is_whole(path: str) -> bool:
    """Whether every tensor of a checkpoint reads back with the check sum it was written with."""
    try:
        reader = tf.train.load_checkpoint(path)
        for name in reader.get_variable_to_shape_map():
            reader.get_tensor(name)
    except (tf.errors.OpError, ValueError, IndexError, RuntimeError):
        return False
    return True


def _trainable(detector: Detector, freeze: str) -> list[tf.Variable]:
    """The variables that learn. In layers that are frozen batch normalisation rests, too; the merged pipeline file
    names them as the API's `freeze_variables` has them, patterns that begin a variable's name."""
    layers = _frozen_layers(detector, freeze)
    compat_model.rest(layers)
    names = [f"{layer.name}/" for layer in layers if layer.trainable_weights]
    detector.config.train_config.freeze_variables.extend(names)
    frozen = {id(variable) for layer in layers for variable in layer.variables}
    return [variable for variable in detector.model.trainable_variables if id(variable) not in frozen]


def _frozen_layers(detector: Detector, freeze: str) -> list[tf.keras.layers.Layer]:
    if freeze == "early":
        return compat_model.early_layers(detector.backbone)
    return detector.backbone.layers if freeze == "backbone" else []


def _rank(measured: dict[str, float]) -> tuple[float, float]:
    unknown = math.isnan(measured["val/mAP50"])
    return -1.0 if unknown else measured["val/mAP50"], -measured["val/loss"]


def _speed(batch_size: int, asked: float, began: float, ended: float) -> dict[str, float]:
    """Images a second, and the share of the time that the step did not wait for photos."""
    return {"images_per_second": batch_size / (ended - asked), "busy": (ended - began) / (ended - asked)}
