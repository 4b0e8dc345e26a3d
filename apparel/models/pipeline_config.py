"""Merged pipeline file: the detector's pipeline file, with the values of `params.yaml` in place of its own.

It is an output of the training, and the Object Detection API's own tools run from it.
"""

from pathlib import Path

from apparel import params, paths
from apparel.errors import UserError
from apparel.models import packaged_weights
from apparel.models.anchor_fields import check_anchors
from apparel.models.fitted_anchors import anchor_layers
from apparel.models.loss_config import set_losses
from apparel.models.pyramid_places import set_places
from apparel.models.tfod import pipeline_file
from apparel.models.tfod.pipeline_file import PipelineConfig

UNSUPPORTED = {
    "bias_grad_multiplier": 0,
    "update_trainable_variables": [],
    "freeze_variables": [],
    "merge_multiple_label_boxes": False,
    "use_multiclass_scores": False,
    "add_regularization_loss": True,
    "use_bfloat16": False,
}
"""Fields of the section `train_config` that would change a training but are not supported here, by their defaults."""

LAST_RATE_SHARE = 0.01
"""Learning rate that the exponential schedule ends at, as a share of the highest."""

LOWEST_RESOLUTION = 33
"""Pixels; at fewer the last feature maps of an SSD MobileNet have no area."""


def steps_of(train: params.Train, photos: int) -> int:
    """Steps of a training: `train.steps`, else as many as `train.epochs` passes over the photos take.

    Raises:
        UserError: there are 2**31 or more.
    """
    steps = train.steps or steps_in(train.epochs, photos, train.batch_size)
    if steps >= 2**31:
        raise UserError(f"train.epochs is {train.epochs}: {steps:,} steps are more than a pipeline file can hold")
    return steps


def steps_in(epochs: int, photos: int, batch_size: int) -> int:
    """Steps that a number of passes over the photos take, at least 1."""
    return max(1, round(epochs * photos / batch_size))


def merge(train: params.Train, classes: int, steps: int) -> PipelineConfig:
    """Reads `configs/<detector>.config` and replaces its values by the parameters.

    Args:
        train: the section `train` of params.yaml.
        classes: number of classes, without the background.
        steps: number of steps of the training, over which the learning rate's schedule runs.

    Anchors are fitted later, to the boxes of train: `fitted_anchors.fit_anchors`.

    Raises:
        UserError: there is no such file, or a parameter does not fit it; names both.
    """
    config = pipeline_file.read(paths.CONFIGS / f"{train.detector}.config")
    meta_architecture = config.model.WhichOneof("model")
    if meta_architecture is None:
        raise UserError(f"configs/{train.detector}.config has no model")
    if meta_architecture == "experimental_model" or config.HasField("graph_rewriter"):
        unsupported = "graph_rewriter" if config.HasField("graph_rewriter") else meta_architecture
        raise UserError(f"configs/{train.detector}.config: {unsupported} is not supported; remove it")
    check_anchors(config, f"configs/{train.detector}.config")
    model = getattr(config.model, meta_architecture)
    model.num_classes = classes
    _set_resolution(model.image_resizer, train)
    _set_backbone(meta_architecture, model, train)
    set_losses(meta_architecture, model, train)
    _set_negatives(meta_architecture, model, train)
    if train.teacher != "none" and meta_architecture != "ssd":
        raise UserError(f"train.teacher is '{train.teacher}', but {train.detector} is no SSD: set it to none")
    if train.anchors == "fitted":
        _check_fitted_anchors(config, train)
    elif meta_architecture == "ssd":
        set_places(config, (train.resolution, *train.multi_scale))
    _set_training(config, train, steps)
    if train.precision == "bfloat16":
        _set_bfloat16(config, train, meta_architecture)
    _set_inputs(config)
    return config


def _set_resolution(resizer, train: params.Train) -> None:
    if train.resolution < LOWEST_RESOLUTION:
        raise UserError(
            f"train.resolution is {train.resolution}: the detector takes {LOWEST_RESOLUTION} pixels or more"
        )
    kind = resizer.WhichOneof("image_resizer_oneof")
    if kind == "fixed_shape_resizer":
        resizer.fixed_shape_resizer.height = resizer.fixed_shape_resizer.width = train.resolution
    elif needs_whole := next((name for name in ("mosaic", "copy_paste", "multi_scale") if getattr(train, name)), None):
        off = "[]" if needs_whole == "multi_scale" else "0"
        raise UserError(f"configs/{train.detector}.config resizes with {kind}: set train.{needs_whole} to {off}")
    elif kind == "keep_aspect_ratio_resizer":
        keep = resizer.keep_aspect_ratio_resizer
        keep.min_dimension = keep.max_dimension = train.resolution
        keep.pad_to_max_dimension = True
    else:
        raise UserError(
            f"configs/{train.detector}.config resizes with {kind}: train.resolution goes with "
            "fixed_shape_resizer or keep_aspect_ratio_resizer"
        )


def _set_backbone(meta_architecture: str, model, train: params.Train) -> None:
    statistics_are_frozen = train.freeze in ("batch_norm", "backbone")
    if meta_architecture == "ssd":
        model.feature_extractor.depth_multiplier = train.depth_multiplier
        model.freeze_batchnorm = statistics_are_frozen
    elif train.depth_multiplier != 1:
        raise UserError(f"{train.detector} has no depth multiplier; set train.depth_multiplier to 1.0")
    elif meta_architecture == "faster_rcnn":
        model.feature_extractor.batch_norm_trainable = not statistics_are_frozen


def _set_negatives(meta_architecture: str, model, train: params.Train) -> None:
    if train.min_negatives_per_photo == 0:
        return
    if meta_architecture != "ssd" or not model.loss.HasField("hard_example_miner"):
        raise UserError(f"{train.detector} mines no hard examples; set train.min_negatives_per_photo to 0")
    model.loss.hard_example_miner.min_negatives_per_image = train.min_negatives_per_photo


def _check_fitted_anchors(config: PipelineConfig, train: params.Train) -> None:
    """Fitted anchors are in pixels; the places of a plain SSD's coarse maps are so for one resolution alone."""
    anchor_layers(config, train.resolution)
    if train.multi_scale and config.model.ssd.anchor_generator.HasField("ssd_anchor_generator"):
        raise UserError(
            f"train.anchors is 'fitted', and train.multi_scale is not empty: with {train.detector} set one of them only"
        )


def _set_training(config: PipelineConfig, train: params.Train, steps: int) -> None:
    section = config.train_config
    for name, default in UNSUPPORTED.items():
        if getattr(section, name) != default:
            remedy = "set train.precision in params.yaml" if name == "use_bfloat16" else "remove it from train_config"
            raise UserError(f"configs/{train.detector}.config: {name} is not supported; {remedy}")
    section.batch_size = train.batch_size
    section.num_steps = steps
    if train.augmentation is not None:
        augmentation = pipeline_file.augmentation_steps(train.augmentation, config)
        del section.data_augmentation_options[:]
        section.data_augmentation_options.extend(augmentation)
    if train.optimizer is not None:
        _set_optimizer(section.optimizer, train, steps)
    section.optimizer.use_moving_average = train.moving_average > 0
    section.optimizer.moving_average_decay = train.moving_average
    section.fine_tune_checkpoint = ""
    if train.checkpoint != "none":
        section.fine_tune_checkpoint = _weights_file(paths.PRETRAINED / train.checkpoint).as_posix()
        section.fine_tune_checkpoint_type = (
            "classification" if train.checkpoint_type == "backbone" else train.checkpoint_type
        )


def _weights_file(folder: Path) -> Path:
    """What the training starts from: the file that names a package's weights, a Keras `.h5`, or the API's files."""
    if (folder / packaged_weights.FILE).is_file():
        return folder / packaged_weights.FILE
    return next(iter(sorted(folder.glob("*.h5"))), folder / "checkpoint" / "ckpt-0")


def _set_bfloat16(config: PipelineConfig, train: params.Train, meta_architecture: str) -> None:
    if meta_architecture != "ssd":
        raise UserError(f"train.precision is bfloat16, but {train.detector} is no SSD: set it to float32")
    config.train_config.use_bfloat16 = True


def _set_optimizer(optimizer, train: params.Train, steps: int) -> None:
    """Sets the optimiser and its learning rate; a section of the same optimiser keeps its other values."""
    section = getattr(optimizer, {"rmsprop": "rms_prop"}.get(train.optimizer, train.optimizer) + "_optimizer")
    section.SetInParent()
    rate = section.learning_rate
    warmup_steps = round(train.warmup_fraction * steps)
    first_rate = train.learning_rate / 10
    if train.schedule == "constant":
        rate.constant_learning_rate.learning_rate = train.learning_rate
    elif train.schedule == "exponential":
        decay = rate.exponential_decay_learning_rate
        decay.initial_learning_rate = train.learning_rate
        decay.decay_steps = max(1, steps - warmup_steps)
        decay.decay_factor = LAST_RATE_SHARE
        decay.staircase = False
        decay.burnin_steps = warmup_steps
        decay.burnin_learning_rate = first_rate
    else:
        decay = rate.cosine_decay_learning_rate
        decay.learning_rate_base = train.learning_rate
        decay.total_steps = steps
        decay.warmup_steps = warmup_steps
        decay.warmup_learning_rate = first_rate


def _set_inputs(config: PipelineConfig) -> None:
    for split, reader in (("train", config.train_input_reader), ("val", config.eval_input_reader.add())):
        reader.label_map_path = (paths.TFRECORD / "label_map.pbtxt").as_posix()
        records: Path = paths.TFRECORD / f"{split}-?????-of-?????.tfrecord"
        reader.tf_record_input_reader.input_path.append(records.as_posix())
