"""Losses in the merged pipeline file: `train.classification_loss` and `train.box_loss`, and what goes with them."""

import math

from google.protobuf.message import Message

from apparel import params
from apparel.errors import UserError

PRIOR = 0.01
"""Score that a class starts from under focal losses, so that the many anchors without a box do not swamp the first
steps (Lin et al. 2017, arXiv 1708.02002, section 4.1)."""

FOCAL_ALPHA, FOCAL_GAMMA = 0.25, 2.0
"""Weight of a positive anchor's loss, and the exponent that spares what is learnt already (the same, table 1)."""

OVERLAP_WEIGHT = 2.0
"""Weight of GIoU and CIoU beside the classification loss, as ATSS, GFL and TOOD have it."""

MINED_ANCHORS = 3000
"""Most anchors of a photo that are mined; more than are ever chosen at three negatives for each positive."""


def set_losses(meta_architecture: str, model: Message, train: params.Train) -> None:
    """Sets the losses of an SSD's section of a pipeline file, its score converter, and the first scores' bias.

    Raises:
        UserError: the parameters do not fit the detector, or one another; names both.
    """
    values = {name: getattr(train, name) for name in ("assignment", "classification_loss", "box_loss")}
    named = [f"train.{name} is '{value}'" for name, value in values.items() if value not in (None, "iou")]
    if meta_architecture != "ssd":
        if named:
            raise UserError(
                f"{named[0]}: it is for an SSD, and configs/{train.detector}.config has {meta_architecture}"
            )
        return
    box_loss = model.loss.localization_loss
    if train.box_loss is None and box_loss.HasField("weighted_iou"):
        raise UserError(f"configs/{train.detector}.config: weighted_iou is not supported; weighted_giou is")
    if train.box_loss is None and box_loss.HasField("weighted_giou"):
        named.append("localization_loss is weighted_giou")
    if not named:
        return
    if unsupported := _unsupported(model):
        raise UserError(f"{named[0]}: it does not go with {unsupported} in configs/{train.detector}.config")
    if not model.box_predictor.WhichOneof("box_predictor_oneof"):
        raise UserError(f"configs/{train.detector}.config has no box_predictor")
    if train.classification_loss == "softmax":
        _set_softmax(model)
    elif train.classification_loss is not None:
        if train.min_negatives_per_photo:
            raise UserError(f"{named[0]}: all anchors count, none are mined; set train.min_negatives_per_photo to 0")
        _set_focal(model)
    if train.box_loss == "smooth_l1":
        box_loss.weighted_smooth_l1.SetInParent()
    elif train.box_loss is not None:
        box_loss.weighted_giou.SetInParent()
        model.loss.localization_weight = OVERLAP_WEIGHT


def _unsupported(model: Message) -> str | None:
    """The first field of the pipeline file that the project's own losses do not follow."""
    fields = {
        "random_example_sampler": model.loss.HasField("random_example_sampler"),
        "expected_loss_weights": model.loss.expected_loss_weights,
        "use_confidences_as_targets": model.use_confidences_as_targets,
        "add_background_class: false": not model.add_background_class,
    }
    return next((name for name, is_set in fields.items() if is_set), None)


def _set_softmax(model: Message) -> None:
    model.loss.classification_loss.weighted_softmax.SetInParent()
    model.post_processing.score_converter = model.post_processing.SOFTMAX
    model.encode_background_as_zeros = False
    _set_class_bias(model, 0.0)
    miner = model.loss.hard_example_miner
    if not model.loss.HasField("hard_example_miner"):
        miner.num_hard_examples, miner.iou_threshold = MINED_ANCHORS, 1.0
        miner.loss_type, miner.max_negatives_per_positive = miner.CLASSIFICATION, 3


def _set_focal(model: Message) -> None:
    """Background is a score of 0 for every class; the column of its own, which the API keeps, learns that, too."""
    focal = model.loss.classification_loss.weighted_sigmoid_focal
    focal.alpha, focal.gamma = FOCAL_ALPHA, FOCAL_GAMMA
    model.post_processing.score_converter = model.post_processing.SIGMOID
    model.encode_background_as_zeros = True
    model.loss.ClearField("hard_example_miner")
    _set_class_bias(model, -math.log((1 - PRIOR) / PRIOR))


def _set_class_bias(model: Message, bias: float) -> None:
    predictor = getattr(model.box_predictor, model.box_predictor.WhichOneof("box_predictor_oneof"))
    if hasattr(predictor, "class_prediction_bias_init"):
        predictor.class_prediction_bias_init = bias
