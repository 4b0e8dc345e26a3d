"""Training loop: steps, validations, the best weights on val, checkpoints to resume from."""

import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pandas as pd
import tensorflow as tf

from apparel import paths
from apparel.data.index import Index
from apparel.errors import UserError, one_line
from apparel.evaluation import metrics
from apparel.evaluation.choose_thresholds import choose_thresholds
from apparel.inference.split_detections import detect_split
from apparel.models import pipeline_config
from apparel.models.detector import Detector, sum_in_order
from apparel.models.inputs import Batch
from apparel.models.tfod.optimizer import learning_rate_at
from apparel.models.thresholds import Thresholds
from apparel.params import Train
from apparel.training import teacher
from apparel.training.checkpoints import Checkpoints, Progress
from apparel.training.gradients import losses_and_gradients, trainable_variables
from apparel.training.input_pipeline import training_batches
from apparel.training.optimizers import Optimizers
from apparel.training.replicas import Replicas

SECONDS_BETWEEN_CHECKPOINTS = 60
"""A crash costs at most that much work; the value changes no result."""

AVERAGED_LOSSES = ("train/loss", "train/classification_loss", "train/localization_loss")
"""Training losses whose means since the last validation are in the history."""

Report = Callable[[int, dict[str, float]], None]
"""Takes a step and the metrics measured at it, such as `{"train/loss": 1.2}`."""


class Training:
    """A detector on its way from its starting weights to its best ones.

    Args:
        detector: the model with its starting weights.
        index: of the TFRecords.
        train: the section `train` of params.yaml.
        folder: where checkpoints lie; a training resumes from one that is there.
        replicas: branches of a batch, and the machines that compute them; by default `train.replicas` on this one.

    Raises:
        UserError: the TFRecords have other classes than the detector.
    """

    def __init__(self, detector: Detector, index: Index, train: Train, folder: Path, replicas: Replicas | None = None):
        self.detector, self.index, self.train = detector, index, train
        self.replicas = replicas or Replicas(train.replicas)
        detector.check_classes(index)
        self.steps = detector.config.train_config.num_steps
        self.photos = index.splits["train"].photos
        self.steps_per_epoch = self.photos / train.batch_size
        self.progress = Progress()
        self.step = tf.Variable(0, dtype=tf.int64)
        self.position = tf.Variable([0, 0], dtype=tf.int64)  # epoch and record in it, as the batches carry them
        self.trainable = trainable_variables(detector, train.freeze)
        self.optimizers = Optimizers(detector, self.trainable, train.backbone_learning_rate)
        averaged = detector.model.variables if train.moving_average else []
        self.averages = [tf.Variable(variable, trainable=False) for variable in averaged]
        self.teacher = teacher.teacher_of(detector, index, train, self.averages, self.steps)
        state = {"step": self.step, "position": self.position, "averages": self.averages}
        state |= self.optimizers.by_name | (self.teacher.state if self.teacher else {})
        self.checkpoints = Checkpoints(folder, detector.model, **state)

    def run(self, report: Report) -> Progress:
        """Trains until the last step, or until `train.patience` validations brought no improvement.

        The detector then has its best weights on val, and the checkpoints may be removed.

        Raises:
            UserError: the loss is no longer a finite number, or the losses do not fit the pipeline file's model.
        """
        self._resume()
        if self._is_over() and self.replicas.is_chief:
            self._make_model_as_trained()
        batches = iter(()) if self._is_over() else self._batches_while_tracing()
        saved = time.monotonic()
        while not self._is_over():
            requested = time.perf_counter()
            batch = next(batches)
            received = time.perf_counter()
            with _naming_pipeline_file(self.train.detector):
                values = {name: float(value) for name, value in self.train_step(batch).items()}
            ended = time.perf_counter()
            step = int(self.step)
            self._add_losses(step, values)
            report(step, values | _speed(self.train.batch_size, requested, received, ended))
            if self.validation_at(step):
                if self.replicas.is_chief:
                    report(step, self._validate(step, values["learning_rate"]))
                self._agree()
                saved = 0
            if self.replicas.is_chief and time.monotonic() - saved > SECONDS_BETWEEN_CHECKPOINTS:
                self.checkpoints.save(self.step, self.progress)
                saved = time.monotonic()
        if self.replicas.is_chief:
            self.checkpoints.restore_best(self.progress.best["step"])
        return self.progress

    @partial(tf.function, autograph=False)
    def train_step(self, batch: Batch) -> dict[str, tf.Tensor]:
        """One step of gradient descent.

        Args:
            batch: this machine's share, of `batches`: `image` float32 (B, H, W, 3), 0 to 255, `true_shape` int32
                (B, 3), `boxes` float32 (B, N, 4) ymin, xmin, ymax, xmax in 0..1, `classes` float32 (B, N, classes)
                one-hot, `weights` float32 (B, N), 0 for padding, `epoch` and `position` int64 scalars; with a teacher
                `unlabelled`, too.

        Returns:
            Scalars by metric name: `train/loss`, the total, `train/<loss>` for each loss of `Detector.losses` and
            `learning_rate`; with a teacher `train/unlabelled_loss`, weighted, and `train/pseudo_boxes`, the boxes that
            an unlabelled photo taught.
        """
        labelled = self.teacher.label(batch["unlabelled"]) if self.teacher else None
        more = {"unlabelled_loss": lambda: self.teacher.loss(labelled, self.step)} if labelled else {}
        losses, total, gradients = losses_and_gradients(self.detector, self.trainable, batch, self.replicas, more)
        rate = learning_rate_at(self.detector.config, self.step)
        if longest := self.detector.config.train_config.gradient_clipping_by_norm:
            norm = tf.sqrt(2 * sum_in_order([tf.nn.l2_loss(gradient) for gradient in gradients]))
            gradients, _ = tf.clip_by_global_norm(gradients, longest, use_norm=norm)
        self.optimizers.apply(gradients, rate)
        self.step.assign_add(1)
        self.position.assign([batch["epoch"], batch["position"]])
        self._update_averages()
        values = {"loss": total} | losses | (teacher.pseudo_boxes(labelled) if labelled else {})
        return {f"train/{name}": value for name, value in values.items()} | {"learning_rate": rate}

    def batches(self) -> tf.data.Dataset:
        """The training batches that follow those of the steps made so far."""
        epoch, position = self.position.numpy().tolist()
        share = self.replicas.share(self.train.batch_size)
        batches = training_batches(self.index, self.detector.config, self.train, epoch, position, share)
        return self.teacher.beside(batches) if self.teacher else batches

    def _batches_while_tracing(self) -> Iterator[Batch]:
        """An iterator of `batches`, which TensorFlow makes in a thread while the step is traced: both take seconds."""
        batches = self.batches()
        with ThreadPoolExecutor(1) as thread, _naming_pipeline_file(self.train.detector):
            iterator = thread.submit(iter, batches)
            if all(spec.shape.is_fully_defined() for spec in tf.nest.flatten(batches.element_spec)):
                self.train_step.get_concrete_function(batches.element_spec)
        return iterator.result()

    def validation_at(self, step: int) -> int:
        """The number, from 1, of the validation that follows a step; 0 where none does. One follows the last step."""
        every = self.train.validate_every
        number = max(1, round(step / (every * self.steps_per_epoch)))
        if step == pipeline_config.steps_in(number * every, self.photos, self.train.batch_size):
            return number
        return math.ceil(step / (every * self.steps_per_epoch)) if step == self.steps else 0

    def _update_averages(self) -> None:
        """Moving averages over few steps at first, as in TensorFlow's `ExponentialMovingAverage` with `num_updates`."""
        if not self.averages:
            return
        step = tf.cast(self.step, tf.float32)
        decay = tf.minimum(self.train.moving_average, (1 + step) / (10 + step))
        for average, variable in zip(self.averages, self.detector.model.variables, strict=True):
            average.assign_sub((average - variable) * (1 - decay))

    def _add_losses(self, step: int, values: dict[str, float]) -> None:
        if not all(abs(value) < float("inf") for value in values.values()):
            raise UserError(f"the loss is no longer a finite number at step {step}: lower train.learning_rate")
        sums = self.progress.sums
        for name in AVERAGED_LOSSES + (teacher.MEASURED if self.teacher else ()):
            sums[name] = sums.get(name, 0.0) + values.get(name, 0.0)
        sums["steps"] = sums.get("steps", 0) + 1

    def _validate(self, step: int, learning_rate: float) -> dict[str, float]:
        with self._averaged_weights():
            measured, thresholds = validate(self.detector, self.index, self.train.min_precision)
            if self._is_better(measured):
                self._keep_best(step, measured, thresholds)
            else:
                self.progress.validations_since_best += 1
        sums = self.progress.sums
        losses = {name: value / sums["steps"] for name, value in sums.items() if name != "steps"}
        row = {"step": step, "epoch": round(step / self.steps_per_epoch, 3), "learning_rate": learning_rate}
        self.progress.history.append(row | losses | measured)
        self.progress.sums = {}
        return measured

    @contextmanager
    def _averaged_weights(self) -> Iterator[None]:
        """Gives the detector the averaged weights, if there are any, until the block ends."""
        pairs = list(zip(self.averages, self.detector.model.variables[: len(self.averages)], strict=True))
        plain = [variable.numpy() for _, variable in pairs]
        for average, variable in pairs:
            variable.assign(average)
        yield
        for (_, variable), value in zip(pairs, plain, strict=True):
            variable.assign(value)

    def _is_better(self, measured: dict[str, float]) -> bool:
        """Higher mAP50 wins; ties, and val without boxes, are decided by the lower loss."""
        return not self.progress.best or _rank(measured) > _rank(self.progress.best)

    def _is_over(self) -> bool:
        patience_is_over = 0 < self.train.patience <= self.progress.validations_since_best
        return self.step >= self.steps or patience_is_over

    def _keep_best(self, step: int, measured: dict[str, float], thresholds: Thresholds) -> None:
        self.checkpoints.save_best(step)
        self.progress.best = {"step": step} | measured
        self.progress.thresholds = thresholds.plain()
        self.progress.validations_since_best = 0

    def _resume(self) -> None:
        progress = self.checkpoints.resume() if self.replicas.is_chief else None
        if progress:
            self.progress = progress
            print(f"resuming from step {int(self.step)} of {self.steps}")
        optimizers = [one for optimizer in self.optimizers.by_name.values() for one in optimizer.variables()]
        state = [*self.detector.model.variables, *optimizers, *self.averages, self.step, self.position]
        self.replicas.send(state)
        self._agree()

    def _agree(self) -> None:
        """Lets the other machines know what only the chief does: when its patience is over."""
        progress = self.progress
        progress.validations_since_best = self.replicas.of_chief(progress.validations_since_best)

    def _make_model_as_trained(self) -> None:
        """Traces a step and validates, for a training that resumes at its end. The API's model keeps the names of the
        ground truth it was given, in that order, and a checkpoint lists them: the saved files would differ."""
        self.train_step.get_concrete_function(next(iter(self.batches())))
        validate(self.detector, self.index, self.train.min_precision)


def validate(
    detector: Detector, index: Index, min_precision: float | None = None
) -> tuple[dict[str, float], Thresholds]:
    """Loss, mAP50 and AP50 by class on val, by metric name, not a number for a class without ground truth; and the
    score thresholds."""
    scored = detect_split(detector, index, "val")
    truth, matched = scored.ground_truth, metrics.match_detections(scored.ground_truth, scored.detections)
    curves = metrics.precision_recall_curves(truth, matched, detector.classes)
    by_class = {name: curve.average_precision for name, curve in curves.items()}
    measured = {"val/loss": scored.loss, "val/mAP50": metrics.nan_mean(list(by_class.values()))}
    measured |= {f"val/AP50/{name}": value for name, value in by_class.items()}
    return measured, choose_thresholds(truth, matched, detector.classes, min_precision)


def history_table(progress: Progress) -> pd.DataFrame:
    """One row a validation: step, epoch, learning_rate, mean training losses since the last, metrics on val."""
    return pd.DataFrame(progress.history)


def val_metrics(progress: Progress) -> dict:
    """Metrics of the best validation, nested by name for DVC; `None` for a class without ground truth."""
    by_name = {name: None if value != value else value for name, value in progress.best.items()}
    prefix = "val/AP50/"
    by_class = {name.removeprefix(prefix): value for name, value in by_name.items() if name.startswith(prefix)}
    val = {"mAP50": by_name["val/mAP50"], "loss": by_name["val/loss"], "AP50": by_class}
    return {"val": val, "train": {"best_step": progress.best["step"]}}


@contextmanager
def _naming_pipeline_file(detector: str) -> Iterator[None]:
    """Turns TensorFlow's errors about losses that do not fit the model into one that names the pipeline file."""
    try:
        yield
    except (ValueError, TypeError, tf.errors.InvalidArgumentError) as error:
        file = paths.CONFIGS / f"{detector}.config"
        raise UserError(f"{file} cannot be trained: {one_line(error)}") from None


def _rank(measured: dict[str, float]) -> tuple[float, float]:
    unknown = math.isnan(measured["val/mAP50"])
    return -1.0 if unknown else measured["val/mAP50"], -measured["val/loss"]


def _speed(batch_size: int, requested: float, received: float, ended: float) -> dict[str, float]:
    """Images a second, and `busy`, 0 to 1, the share of the time in which the step did not wait for its batch."""
    return {"images_per_second": batch_size / (ended - requested), "busy": (ended - received) / (ended - requested)}
