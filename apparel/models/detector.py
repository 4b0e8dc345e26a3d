"""A detection model with its pipeline file and its classes: made, loaded, saved, and let loose on a split."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import tensorflow as tf
from PIL import Image

from apparel import boxes
from apparel.data.index import Index
from apparel.errors import UserError, one_line
from apparel.models import inputs
from apparel.models.inputs import Batch
from apparel.models.tfod import model as compat_model
from apparel.models.tfod import pipeline_file
from apparel.models.tfod.pipeline_file import PipelineConfig
from apparel.utils import files
from apparel.versioning import integrity

EVALUATION_BATCH = 8
"""Photos at a time; training and eval use the same, since another size may change scores in their last bits."""


@dataclass(frozen=True)
class Scored:
    """What a detector found in a split, and what is there.

    `photos` (filename, width, height), `ground_truth` (label table with `difficult`), `detections` (filename, class,
    score 0 to 1, corners in pixels of the photo), `loss` (mean over batches), `seconds_per_photo` (median over
    batches: network, losses and postprocessing).
    """

    photos: pd.DataFrame
    ground_truth: pd.DataFrame
    detections: pd.DataFrame
    loss: float
    seconds_per_photo: float


class Detector:
    """A detection model of the Object Detection API and what it takes to use it."""

    def __init__(self, config: PipelineConfig, classes: tuple[str, ...]):
        """Builds the model with random weights.

        Raises:
            UserError: the pipeline file does not make a model for photos of that resolution.
        """
        self.config = config
        self.classes = classes
        try:
            self.model = compat_model.build(config)
            self._create_variables()
        except (ValueError, ArithmeticError, tf.errors.InvalidArgumentError) as error:
            raise UserError(
                f"the detector cannot be built at a resolution of {self.resolution} pixels: {one_line(error)}"
            ) from None
        # AutoGraph would rewrite the API's code, which has no need of it, for most of a minute.
        self._evaluate = tf.function(self._evaluate_batch, autograph=False)
        self._find = tf.function(self._find_on_photo, autograph=False)

    @property
    def resolution(self) -> int:
        """Pixels, the longer side of what the network sees."""
        resizer = getattr(self.config.model, self.config.model.WhichOneof("model")).image_resizer
        section = getattr(resizer, resizer.WhichOneof("image_resizer_oneof"))
        return max(value for _, value in section.ListFields() if type(value) is int)

    @property
    def backbone(self) -> tf.keras.Model:
        """The classification network that the detector stands on."""
        return self.model._feature_extractor.classification_backbone

    def check_classes(self, index: Index) -> None:
        """Holds the detector's classes to those of the TFRecords, whose ids are places in their list.

        Raises:
            UserError: they are others, or in another order.
        """
        if index.classes != self.classes:
            raise UserError(
                f"the TFRecords have the classes {', '.join(index.classes)}, "
                f"the detector {', '.join(self.classes)}; run `dvc repro`"
            )

    def _create_variables(self) -> None:
        side = self.resolution
        with tf.device("CPU"):
            tf.function(self._predict, autograph=False).get_concrete_function(
                tf.TensorSpec([1, side, side, 3], tf.float32), tf.TensorSpec([1, 3], tf.int32)
            )

    def _predict(self, image: tf.Tensor, true_shape: tf.Tensor) -> dict:
        normalised = self.model._feature_extractor.preprocess(image)
        return self.model.predict(normalised, true_shape)

    def losses(self, batch: Batch, training: bool) -> tuple[dict[str, tf.Tensor], dict]:
        """Losses and raw predictions for a batch; to be traced once for training and once for evaluation.

        Args:
            batch: as `inputs.evaluation_batches` or `training.input_pipeline.training_batches` makes it; photos for
                which its `real` is False do not count.
            training: whether batch normalisation follows the batch and updates its statistics.

        Returns:
            `classification_loss`, `localization_loss`, for a Faster R-CNN also those of its first stage, and
            `regularization_loss` (scalars), and the predictions that the API's `postprocess` takes.
        """
        # The API's batch normalisation follows the Keras learning phase alone; without this line it stays frozen.
        tf.keras.backend.set_learning_phase(training)
        self.model._is_training = training
        truth = {
            "groundtruth_boxes_list": tf.unstack(batch["boxes"] * _share_of_photo(batch)),
            "groundtruth_classes_list": tf.unstack(batch["classes"]),
            "groundtruth_weights_list": tf.unstack(batch["weights"]),
        }
        if "real" in batch:
            truth["is_annotated_list"] = tf.unstack(batch["real"])
        self.model.provide_groundtruth(**truth)
        predictions = self._predict(batch["image"], batch["true_shape"])
        losses = self.model.loss(predictions, batch["true_shape"])
        losses = {name.removeprefix("Loss/"): value for name, value in losses.items()}
        losses["regularization_loss"] = sum_in_order(self.model.regularization_losses())
        return losses, predictions

    def _evaluate_batch(self, batch: Batch) -> tuple[tf.Tensor, dict]:
        losses, predictions = self.losses(batch, training=False)
        return sum_in_order(list(losses.values())), self._postprocess(predictions, batch["true_shape"])

    def _find_on_photo(self, image: tf.Tensor, true_shape: tf.Tensor) -> dict:
        tf.keras.backend.set_learning_phase(False)
        self.model._is_training = False
        return self._postprocess(self._predict(image, true_shape), true_shape)

    def _postprocess(self, predictions: dict, true_shape: tf.Tensor) -> dict:
        detections = self.model.postprocess(predictions, true_shape)
        kept = ("detection_boxes", "detection_classes", "detection_scores", "num_detections")
        return {name: detections[name] for name in kept}

    def save(self, folder: Path) -> None:
        """Writes `checkpoint/ckpt-0.*`, `pipeline.config` and `classes.json`, as the API's model zoo lays them out.

        Their check sums lie beside them. What was there is replaced once all is written.
        """
        with files.replace_folder(folder) as unfinished:
            (unfinished / "checkpoint").mkdir()
            tf.train.Checkpoint(model=self.model).write(str(unfinished / "checkpoint" / "ckpt-0"))
            state = 'model_checkpoint_path: "ckpt-0"\nall_model_checkpoint_paths: "ckpt-0"\n'
            files.write_text(unfinished / "checkpoint" / "checkpoint", state)
            pipeline_file.write(self.config, unfinished / "pipeline.config")
            files.write_json(unfinished / "classes.json", list(self.classes))
            integrity.write_checksums(unfinished)


def load(folder: Path) -> Detector:
    """A trained detector from a folder that `Detector.save` wrote.

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
    detector = Detector(pipeline_file.read(folder / "pipeline.config"), classes)
    restore(tf.train.Checkpoint(model=detector.model), folder)
    return detector


class OtherShape(UserError):
    """A checkpoint that lacks a variable, or has it in another shape."""


def restore(objects: tf.train.Checkpoint, folder: Path) -> None:
    """Restores every variable of `objects` from `folder/checkpoint/ckpt-0`.

    Raises:
        OtherShape: the checkpoint lacks a variable, or has it in another shape; names it.
        UserError: the checkpoint is missing or damaged; names it.
    """
    path = folder / "checkpoint" / "ckpt-0"
    try:
        status = objects.read(str(path))
        # `restore` succeeds silently when nothing matches.
        status.assert_existing_objects_matched().expect_partial()
    except (tf.errors.OpError, IndexError, RuntimeError) as error:
        raise UserError(f"{path} is missing or damaged: {_first_line(error)}") from None
    except (ValueError, AssertionError) as error:
        raise OtherShape(
            f"{path} is of another shape than the detector: {_first_line(error)}; "
            "check train.detector, train.depth_multiplier and the number of classes"
        ) from None


def detect_split(detector: Detector, index: Index, split: str) -> Scored:
    """Runs the detector over every photo of a split.

    Args:
        detector: the model, with the weights to measure.
        index: of the TFRecords.
        split: train, val or test.

    Raises:
        UserError: the TFRecords have other classes than the detector.
    """
    detector.check_classes(index)
    photos, truth, found, losses, seconds = [], [], [], [], []
    for batch in inputs.evaluation_batches(index, detector.config, split, EVALUATION_BATCH):
        start = time.perf_counter()
        loss, detections = detector._evaluate(batch)
        losses.append(float(loss))
        seconds.append(time.perf_counter() - start)
        batch = {name: values.numpy() for name, values in batch.items() if name != "image"}
        detections = {name: values.numpy() for name, values in detections.items()}
        for place in np.flatnonzero(batch["real"]):
            photo = (batch["filename"][place].decode(), int(batch["width"][place]), int(batch["height"][place]))
            photos.append(photo)
            truth.append(_ground_truth(batch, place, photo, detector.classes))
            found.append(_detections(detections, place, photo, detector.classes))
    order = ["filename", "score"]
    return Scored(
        photos=pd.DataFrame(photos, columns=boxes.PHOTO_COLUMNS).sort_values("filename", ignore_index=True),
        ground_truth=pd.concat(truth).sort_values(["filename", "class", *boxes.CORNERS], ignore_index=True),
        detections=pd.concat(found).sort_values(order, ascending=[True, False], kind="stable", ignore_index=True),
        loss=float(np.mean(losses)),
        seconds_per_photo=float(np.median(seconds[1:] or seconds)) / EVALUATION_BATCH,
    )


def detect(detector: Detector, photos: Sequence[Image.Image]) -> pd.DataFrame:
    """Runs the detector over photos that are no data set.

    Args:
        detector: the model.
        photos: upright RGB, of any sizes.

    Returns:
        `photo` (place in `photos`), `class`, `score` (0 to 1), corners in pixels; best score first within a photo.
    """
    resize = compat_model.resizer(detector.config)
    tables = []
    for number, photo in enumerate(photos):
        image, true_shape = resize(tf.constant(np.asarray(photo), tf.float32))
        found = detector._find(image[tf.newaxis], true_shape[tf.newaxis])
        found = {name: values.numpy() for name, values in found.items()}
        tables.append(_detections(found, 0, ("", *photo.size), detector.classes).assign(photo=number))
    columns = ["photo", "class", "score", *boxes.CORNERS]
    table = pd.concat([pd.DataFrame(columns=columns).astype({"photo": int}), *tables])[columns]
    return table.sort_values(["photo", "score"], ascending=[True, False], kind="stable", ignore_index=True)


def _share_of_photo(batch: Batch) -> tf.Tensor:
    """What share of the network's height and width the photo takes, as factors for boxes, float32 (B, 1, 4): below 1
    where a photo is padded to the shape of the network."""
    seen = tf.cast(tf.shape(batch["image"])[1:3], tf.float32)
    sides = tf.cast(batch["true_shape"][:, :2], tf.float32) / seen
    return tf.concat([sides, sides], axis=1)[:, tf.newaxis]


def _ground_truth(batch: dict, place: int, photo: tuple[str, int, int], classes: tuple[str, ...]) -> pd.DataFrame:
    count = batch["count"][place]
    table = _corners(batch["boxes"][place][:count], photo)
    names = [classes[number] for number in batch["classes"][place][:count].argmax(axis=1)]
    for column, values in zip(["filename", "width", "height", "class"], [*photo, names], strict=True):
        table[column] = values
    table["difficult"] = batch["difficult"][place][:count]
    return table[[*boxes.LABEL_COLUMNS, "difficult"]]


def _detections(detections: dict, place: int, photo: tuple[str, int, int], classes: tuple[str, ...]) -> pd.DataFrame:
    count = int(detections["num_detections"][place])
    table = _corners(detections["detection_boxes"][place][:count], photo)
    table["filename"] = photo[0]
    table["class"] = [classes[int(number)] for number in detections["detection_classes"][place][:count]]
    table["score"] = detections["detection_scores"][place][:count].astype(float)
    return table[["filename", "class", "score", *boxes.CORNERS]]


def _corners(normalised: np.ndarray, photo: tuple[str, int, int]) -> pd.DataFrame:
    _, width, height = photo
    ymin, xmin, ymax, xmax = normalised.astype(float).T
    return pd.DataFrame({"xmin": xmin * width, "ymin": ymin * height, "xmax": xmax * width, "ymax": ymax * height})


def sum_in_order(scalars: list[tf.Tensor]) -> tf.Tensor:
    """One after the other: `tf.add_n` may start from any of them, and the last bit of the sum with it."""
    total = tf.zeros([])
    for scalar in scalars:
        total += scalar
    return total


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:300]
