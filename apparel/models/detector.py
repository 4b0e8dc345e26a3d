"""Detection model with its pipeline file and its classes: build, load, save, losses, detections on a batch."""

import json
from pathlib import Path

import tensorflow as tf
from google.protobuf.message import Message

from apparel.data.index import Index
from apparel.errors import UserError, one_line
from apparel.models.checkpoint_difference import describe_difference
from apparel.models.criterion import Criterion, criterion_of, read_criterion, write_criterion
from apparel.models.detections import Detections
from apparel.models.inputs import Batch
from apparel.models.tfod import pipeline_file, precision, ssd_losses
from apparel.models.tfod.model import build_model
from apparel.models.tfod.pipeline_file import PipelineConfig
from apparel.models.thresholds import Thresholds, default_thresholds
from apparel.utils import files, tensor_bundle
from apparel.versioning import integrity


class Detector:
    """A detection model of the Object Detection API.

    Attributes:
        config: the merged pipeline file.
        classes: class names, that of id 1 first.
        criterion: assignment and losses.
        model: the API's model.
    """

    def __init__(self, config: PipelineConfig, classes: tuple[str, ...], criterion: Criterion | None = None):
        """Builds the model with random weights.

        Raises:
            UserError: the API cannot build the pipeline file's model for its resolution.
        """
        self.config = config
        self.classes = classes
        self.criterion = criterion or criterion_of(config)
        try:
            with precision.built_for(config):
                self.model = build_model(config)
                self._create_variables()
            if config.train_config.use_bfloat16:
                precision.compute_in_bfloat16(self.model, False)
        except (ValueError, TypeError, ArithmeticError, LookupError, tf.errors.InvalidArgumentError) as error:
            raise UserError(
                f"the detector cannot be built at a resolution of {self.resolution} pixels: {one_line(error)}"
            ) from None
        # AutoGraph would take most of a minute to rewrite the API's code, which does not need it.
        self._evaluate_function = tf.function(self._evaluate, autograph=False)
        self._detect_function = tf.function(self._detect, autograph=False)

    @property
    def resolution(self) -> int:
        """Pixels, the longer side of the network's input."""
        return max(value for _, value in self._resizer.ListFields() if type(value) is int)

    @property
    def fixed_size(self) -> tuple[int, int] | None:
        """Height and width of the network's input in pixels; None where they depend on the photo."""
        sides = getattr(self._resizer, "height", 0), getattr(self._resizer, "width", 0)
        return sides if all(sides) else None

    @property
    def _resizer(self) -> Message:
        resizer = getattr(self.config.model, self.config.model.WhichOneof("model")).image_resizer
        return getattr(resizer, resizer.WhichOneof("image_resizer_oneof"))

    @property
    def backbone(self) -> tf.keras.Model:
        """The classification network that extracts the features."""
        return self.model._feature_extractor.classification_backbone

    def check_classes(self, index: Index) -> None:
        """Compares the detector's classes with those of the TFRecords, since ids are positions in the list of classes.

        Raises:
            UserError: the classes differ, or their order does.
        """
        if index.classes != self.classes:
            raise UserError(
                f"the TFRecords have the classes {', '.join(index.classes)}, "
                f"the detector {', '.join(self.classes)}; run `dvc repro`"
            )

    def _create_variables(self) -> None:
        side = self.resolution
        if self.config.model.WhichOneof("model") == "faster_rcnn":  # while it trains it samples by ground truth
            self._set_phase(training=False)
        with tf.device("CPU"):
            initialize = tf.function(self._predict, autograph=False).get_initialization_function(
                tf.TensorSpec([1, side, side, 3], tf.float32), tf.TensorSpec([1, 3], tf.int32)
            )  # a concrete function, which creates them as well, would be traced twice
            initialize()

    def _predict(self, image: tf.Tensor, true_shape: tf.Tensor) -> dict:
        normalised = self.model._feature_extractor.preprocess(image)
        return precision.to_float32(self.model.predict(normalised, true_shape))

    def _set_phase(self, training: bool) -> None:
        """Before the network is traced: whether it trains, and so its backbone may compute in bfloat16."""
        # The API's batch normalisation follows the Keras learning phase alone; without this line it stays frozen.
        tf.keras.backend.set_learning_phase(training)
        self.model._is_training = training
        if self.config.train_config.use_bfloat16:
            precision.compute_in_bfloat16(self.model, training)

    def losses(self, batch: Batch, training: bool) -> tuple[dict[str, tf.Tensor], dict]:
        """Losses and raw predictions of a batch; traced once for training and once for evaluation.

        Args:
            batch: as `inputs.evaluation_batches` or `training.input_pipeline.training_batches` makes it; photos for
                which its `real` is False do not count, nor anchors on its `ignored`, float32 (B, M, 4), where it has
                such boxes, in 0..1 of the photo's sides.
            training: whether batch normalisation uses the batch's statistics and updates its own.

        Returns:
            `classification_loss`, `localization_loss`, for a Faster R-CNN also those of its first stage, and
            `regularization_loss` (scalars), and the predictions that the API's `postprocess` takes.
        """
        self._set_phase(training)
        if self.criterion.is_of_the_api and "ignored" not in batch:
            losses, predictions = self._losses_of_the_api(batch)
        else:
            predictions = self._predict(batch["image"], batch["true_shape"])
            losses = ssd_losses.losses(self.model, self.criterion, _truth(batch), predictions)
        losses["regularization_loss"] = self.regularization_loss()
        return losses, predictions

    def loss_sums(self, part: Batch) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        """Losses of a part of a training batch, before the division by a number that the whole batch decides.

        Returns:
            By name what the parts of a batch add up to, and what the sum is divided by, at least 1, a number that adds
            up as well. For an SSD it counts matched anchors, else parts. Without the `regularization_loss`.
        """
        if self.config.model.WhichOneof("model") == "ssd":
            self._set_phase(training=True)
            predictions = self._predict(part["image"], part["true_shape"])
            return ssd_losses.loss_sums(self.model, self.criterion, _truth(part), predictions)
        losses, _ = self.losses(part, training=True)
        return {name: loss for name, loss in losses.items() if name != "regularization_loss"}, tf.ones([])

    def regularization_loss(self) -> tf.Tensor:
        """Of the weights, a scalar, whatever the batch."""
        return sum_in_order(self.model.regularization_losses())

    def _losses_of_the_api(self, batch: Batch) -> tuple[dict[str, tf.Tensor], dict]:
        truth = {
            "groundtruth_boxes_list": tf.unstack(batch["boxes"] * _photo_share(batch)),
            "groundtruth_classes_list": tf.unstack(batch["classes"]),
            "groundtruth_weights_list": tf.unstack(batch["weights"]),
        }
        if "real" in batch or self.model.groundtruth_has_field("is_annotated"):
            # The model keeps what it was given: without it a step that is traced after a validation gets that one's.
            truth["is_annotated_list"] = tf.unstack(batch.get("real", tf.ones(batch["image"].shape[:1], tf.bool)))
        self.model.provide_groundtruth(**truth)
        predictions = self._predict(batch["image"], batch["true_shape"])
        losses = self.model.loss(predictions, batch["true_shape"])
        return {name.removeprefix("Loss/"): value for name, value in losses.items()}, predictions

    def evaluate(self, batch: Batch) -> tuple[tf.Tensor, Detections]:
        """Total loss (scalar, mean over the batch's photos) and detections of a batch of `inputs.evaluation_batches`.

        Batches of one shape are traced once.
        """
        return self._evaluate_function(batch)

    def detect(self, image: tf.Tensor, true_shape: tf.Tensor) -> Detections:
        """Detections on photos that no ground truth comes with.

        Args:
            image: float32 (B, H, W, 3), 0 to 255, as the resizer of the pipeline file makes it.
            true_shape: int32 (B, 3), the part of it that is photo and not padding.
        """
        return self._detect_function(image, true_shape)

    def _evaluate(self, batch: Batch) -> tuple[tf.Tensor, Detections]:
        losses, predictions = self.losses(batch, training=False)
        return total_loss(losses), self._postprocess(predictions, batch["true_shape"])

    def _detect(self, image: tf.Tensor, true_shape: tf.Tensor) -> Detections:
        self._set_phase(training=False)
        return self._postprocess(self._predict(image, true_shape), true_shape)

    def _postprocess(self, predictions: dict, true_shape: tf.Tensor) -> Detections:
        postprocessed = self.model.postprocess(predictions, true_shape)
        names = ("detection_boxes", "detection_classes", "detection_scores", "num_detections")
        return Detections(*(postprocessed[name] for name in names))

    def save(self, folder: Path, thresholds: Thresholds | None = None) -> None:
        """Writes `checkpoint/ckpt-0.*` and `pipeline.config`, as the API's model zoo lays them out, `classes.json`,
        `thresholds.json`, by default 0.5 for every class, and `criterion.json` where the pipeline file lacks it.

        Their checksums are written with them. A folder of that name is replaced once everything is written.
        """
        with files.replace_folder(folder) as unfinished:
            (unfinished / "checkpoint").mkdir()
            tf.train.Checkpoint(model=self.model).write(str(unfinished / "checkpoint" / "ckpt-0"))
            state = 'model_checkpoint_path: "ckpt-0"\nall_model_checkpoint_paths: "ckpt-0"\n'
            files.write_text(unfinished / "checkpoint" / "checkpoint", state)
            pipeline_file.write(self.config, unfinished / "pipeline.config")
            write_criterion(self.criterion, unfinished, self.config)
            files.write_json(unfinished / "classes.json", list(self.classes))
            (thresholds or default_thresholds(self.classes)).write(unfinished)
            integrity.write_checksums(unfinished)


def load_detector(folder: Path) -> Detector:
    """Loads a trained detector from a folder that `Detector.save` wrote.

    Raises:
        UserError: a file is missing or damaged, or the weights are not the model's.
    """
    integrity.check_checksums(folder, "train")
    try:
        classes = tuple(json.loads((folder / "classes.json").read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise UserError(f"{folder} holds no trained model; run `dvc repro train`") from None
    except ValueError:
        raise UserError(f"{folder / 'classes.json'} is damaged; run `dvc repro --force train`") from None
    config = pipeline_file.read(folder / "pipeline.config")
    detector = Detector(config, classes, read_criterion(folder, config))
    restore_checkpoint(tf.train.Checkpoint(model=detector.model), folder)
    return detector


class CheckpointMismatch(UserError):
    """A checkpoint lacks a variable, or has it in another shape."""


def restore_checkpoint(objects: tf.train.Checkpoint, folder: Path) -> None:
    """Restores every variable of `objects` from `folder/checkpoint/ckpt-0`.

    Raises:
        CheckpointMismatch: the checkpoint lacks a variable, or has it in another shape; names it.
        UserError: the checkpoint is missing or damaged, or declares more than it holds; names it.
    """
    path = folder / "checkpoint" / "ckpt-0"
    tensor_bundle.read_index(path)
    try:
        status = objects.read(str(path))
        # `read` succeeds silently when nothing matches.
        status.assert_existing_objects_matched().expect_partial()
    except (tf.errors.OpError, IndexError, RuntimeError) as error:
        raise UserError(f"{path} is missing or damaged: {_first_line(error)}") from None
    except (ValueError, AssertionError) as error:
        difference = describe_difference(objects, path) or _first_line(error)
        raise CheckpointMismatch(
            f"{path} is of another shape than the detector: {difference}; "
            "check train.detector, train.checkpoint_type, train.depth_multiplier and the number of classes"
        ) from None


def _truth(batch: Batch) -> ssd_losses.Truth:
    share, real = _photo_share(batch), batch.get("real", tf.ones(batch["image"].shape[:1]))
    return ssd_losses.Truth(
        batch["boxes"] * share,
        batch["classes"],
        batch["weights"],
        tf.cast(real, tf.float32),
        batch["ignored"] * share if "ignored" in batch else None,
    )


def _photo_share(batch: Batch) -> tf.Tensor:
    """Share of the network's height and width that is photo, float32 (B, 1, 4), to multiply boxes by: below 1 where
    the photo is padded to the network's shape."""
    input_sides = tf.cast(tf.shape(batch["image"])[1:3], tf.float32)
    sides = tf.cast(batch["true_shape"][:, :2], tf.float32) / input_sides
    return tf.concat([sides, sides], axis=1)[:, tf.newaxis]


def total_loss(losses: dict[str, tf.Tensor]) -> tf.Tensor:
    """Sum of what `Detector.losses` returns: the classification loss first, then the others by name, one by one.

    The order is fixed, since the last bit of a float sum depends on it. `tf.add_n` may start from any of its inputs.
    """
    first, *others = sorted(losses, key=lambda name: (name != "classification_loss", name))
    total = losses[first]
    for name in others:
        total += losses[name]
    return total


def sum_in_order(scalars: list[tf.Tensor]) -> tf.Tensor:
    """Sum of scalars, one by one from 0, since `tf.add_n` may start from any and so change the sum's last bit."""
    total = tf.zeros([])
    for scalar in scalars:
        total += scalar
    return total


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:300]
