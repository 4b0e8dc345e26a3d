"""Teacher of unlabelled photos in a training: labels that lie beside them, or the mean teacher.

The mean teacher is the moving average of the student's weights (Tarvainen and Valpola 2017, arXiv 1703.01780; for
detectors Liu et al. 2021, Unbiased Teacher, arXiv 2102.09480). It labels the photos of each step before the step.
"""

from collections.abc import Sequence

import tensorflow as tf

from apparel import params
from apparel.data.index import UNLABELLED, Index
from apparel.errors import UserError
from apparel.models.detections import Detections
from apparel.models.detector import Detector
from apparel.models.inputs import Batch
from apparel.training import input_pipeline
from apparel.training.pseudo_labels import pseudo_labels, split_ignored
from apparel.training.unlabelled_batches import unlabelled_batches

MEASURED = ("train/unlabelled_loss", "train/pseudo_boxes")
"""What a teacher adds to the values of a step whose means are in the history."""

THRESHOLD_STEP = 0.02
"""Score by which a threshold moves in a step for each box that a photo has too many: 0.3 take some 75 steps where a
class has 0.2 too many, and what single batches differ by moves it by less than 0.01."""

HIGHEST_THRESHOLD = 0.99
"""Score that thresholds do not go beyond."""

STEEPNESS = 5.0
"""Of the ramp-up exp(-5 (1 - t)²), which starts from 0.007 (Laine and Aila 2017, arXiv 1610.02242, section 2.1)."""


class Teacher:
    """What the unlabelled photos add to a training.

    Args:
        detector: the student.
        index: of the TFRecords.
        train: the section `train` of params.yaml, with another `teacher` than `none`.
        averages: moving averages of the variables of the detector's model, in their order.
        steps: of the whole training.

    Attributes:
        state: variables that a resumed training needs, by name.

    Raises:
        UserError: there are no unlabelled photos, or no labels beside them.
    """

    def __init__(
        self, detector: Detector, index: Index, train: params.Train, averages: Sequence[tf.Variable], steps: int
    ) -> None:
        self._detector, self._index, self._train, self._averages = detector, index, train, averages
        self._ramp_up_steps = train.ramp_up_fraction * steps
        photos = index.splits.get(UNLABELLED)
        if photos is None:
            raise UserError("train.teacher is set, and the TFRecords have no unlabelled photos; run `dvc repro`")
        if train.teacher == "labels" and not photos.boxes:
            raise UserError(
                "train.teacher is 'labels', and no unlabelled photo that is used has a box of data.classes beside it; "
                "where the XML files are new, DVC does not know them: `dvc add` their folder"
            )
        self._thresholds = tf.Variable(tf.fill([len(index.classes)], train.teacher_threshold), trainable=False)
        self._position = tf.Variable([0, 0], dtype=tf.int64)  # epoch and record in it
        self.state = {"teacher_thresholds": self._thresholds, "unlabelled_position": self._position}

    def beside(self, labelled: tf.data.Dataset) -> tf.data.Dataset:
        """The labelled batches, each with one of unlabelled photos as `unlabelled`, after those of the steps made."""
        epoch, position = self._position.numpy().tolist()
        batches = unlabelled_batches(self._index, self._detector.config, self._train, epoch, position)
        return tf.data.Dataset.zip((labelled, batches)).map(lambda batch, beside: batch | {"unlabelled": beside})

    def label(self, batch: Batch) -> Batch:
        """A batch of `unlabelled_batches` as ground truth for `loss`: labels of the mean teacher, or those beside it.

        To be called outside of a gradient tape.
        """
        self._position.assign([batch["epoch"], batch["position"]])
        if self._train.teacher == "mean":
            detections = self._detect(batch["weak"], batch["weak_shape"])
            labels, boxes = pseudo_labels(detections, self._thresholds, batch["window"])
            self._move_thresholds(boxes)
            class_weights = input_pipeline.weight_of_class(self._index, self._train.class_balance)
            labels["weights"] *= tf.linalg.matvec(labels["classes"], class_weights)
            batch = {name: batch[name] for name in ("image", "true_shape")} | labels
        return split_ignored(batch)

    def loss(self, labelled: Batch, step: tf.Tensor) -> tf.Tensor:
        """Loss of the student on a batch of `label`, weighted; a scalar.

        Args:
            labelled: the batch.
            step: steps made so far, a scalar.
        """
        losses, _ = self._detector.losses(labelled, training=True)
        return (losses["classification_loss"] + losses["localization_loss"]) * self.weight(step)

    def weight(self, step: tf.Tensor) -> tf.Tensor:
        """Weight of the loss after so many steps, a scalar float32: it rises to `train.unlabelled_weight`."""
        if not self._ramp_up_steps:
            return tf.constant(self._train.unlabelled_weight)
        share = tf.minimum(tf.cast(step, tf.float32) / self._ramp_up_steps, 1.0)
        return self._train.unlabelled_weight * tf.exp(-STEEPNESS * (1 - share) ** 2)

    def _move_thresholds(self, boxes: tf.Tensor) -> None:
        """Moves each class's threshold to where a photo has as many boxes of it as the labelled ones of train.

        A teacher's mistakes are of common classes first, and its student would find more and more of them; so are the
        thresholds of LabelMatch (Li et al. 2022, arXiv 2206.06608), which take them from all unlabelled photos at
        times. Here they follow the batches (Robbins and Monro 1951): up by each box too many, down by each too few.

        Args:
            boxes: float32 (B, C), how many certain boxes of each class a photo of the batch has.
        """
        labelled = self._index.splits["train"]
        expected = [labelled.boxes_per_class[name] / labelled.photos for name in self._index.classes]
        moved = self._thresholds + THRESHOLD_STEP * (tf.reduce_mean(boxes, axis=0) - tf.constant(expected, tf.float32))
        self._thresholds.assign(tf.clip_by_value(moved, self._train.teacher_threshold, HIGHEST_THRESHOLD))

    def _detect(self, image: tf.Tensor, true_shape: tf.Tensor) -> Detections:
        """Detections of the averaged weights, which the model has for that moment.

        A second model would have to be kept equal in all that makes the first: frozen layers, folded ones, criterion.
        """
        variables = self._detector.model.variables
        own = [tf.identity(variable) for variable in variables]
        for variable, average in zip(variables, self._averages, strict=True):
            variable.assign(average)
        detections = self._detector.detect(image, true_shape)
        for variable, value in zip(variables, own, strict=True):
            variable.assign(value)
        return detections


def teacher_of(
    detector: Detector, index: Index, train: params.Train, averages: Sequence[tf.Variable], steps: int
) -> Teacher | None:
    """The teacher that the parameters ask for, if any; arguments and errors are those of `Teacher`."""
    return None if train.teacher == "none" else Teacher(detector, index, train, averages, steps)


def pseudo_boxes(labelled: Batch) -> dict[str, tf.Tensor]:
    """How many boxes of a photo are learnt in the mean of a batch of `Teacher.label`, by the metric's name."""
    learnt = tf.cast(labelled["weights"] > 0, tf.float32)
    return {"pseudo_boxes": tf.reduce_mean(tf.reduce_sum(learnt, axis=1))}
