"""Losses of a training batch and their gradients, of the whole batch or of its branches; the variables that learn."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import tensorflow as tf

from apparel.models.detector import Detector, total_loss
from apparel.models.inputs import Batch
from apparel.models.tfod import onednn
from apparel.models.tfod.folding import fold_batch_norm
from apparel.models.tfod.model import early_layers, freeze_batch_norm
from apparel.training.replicas import Replicas

Losses = dict[str, tf.Tensor]


def losses_and_gradients(
    detector: Detector,
    trainable: Sequence[tf.Variable],
    batch: Batch,
    replicas: Replicas,
    more: Mapping[str, Callable[[], tf.Tensor]] = MappingProxyType({}),
) -> tuple[Losses, tf.Tensor, list[tf.Tensor]]:
    """Losses of a batch by name, their total, and its gradients; batch normalisation updates its statistics.

    For a `tf.function`. Where a batch has several branches, each has mean and variance of its own, as on a machine of
    its own; the moving statistics move by the mean. Losses are divided by the matched anchors of the whole batch.

    Args:
        detector: the model.
        trainable: the variables that learn.
        batch: this machine's share of it.
        replicas: the branches.
        more: further losses, by name; for a batch of one branch.
    """
    if replicas.count == 1:
        with tf.GradientTape(watch_accessed_variables=False) as tape:  # frozen first layers leave no trace on it
            tape.watch(trainable)
            losses, _ = detector.losses(batch, training=True)
            losses |= {name: loss() for name, loss in more.items()}
            total = total_loss(losses)
        return losses, total, tape.gradient(total, trainable)
    statistics = [one for one in detector.model.variables if not one.trainable and one.dtype.is_floating]
    branches = [_branch(detector, trainable, statistics, part) for part in replicas.branches(batch)]
    whole = replicas.sum(branches)
    for variable, change in zip(statistics, whole["statistics"], strict=True):
        variable.assign_add(change / replicas.count)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(trainable)
        regularization = detector.regularization_loss()
    decays = tape.gradient(regularization, trainable, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    divisor = tf.maximum(whole["divisor"], 1.0)
    losses = {name: value / divisor for name, value in whole["losses"].items()}
    losses["regularization_loss"] = regularization
    gradients = [gradient / divisor + decay for gradient, decay in zip(whole["gradients"], decays, strict=True)]
    return losses, total_loss(losses), gradients


def _branch(
    detector: Detector, trainable: Sequence[tf.Variable], statistics: Sequence[tf.Variable], part: Batch
) -> dict[str, Any]:
    """What the branches of a batch add up to; the statistics stay as they were."""
    before = [tf.identity(variable) for variable in statistics]
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(trainable)
        losses, divisor = detector.loss_sums(part)
        total = total_loss(losses)
    gradients = tape.gradient(total, trainable, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    changes = [variable - value for variable, value in zip(statistics, before, strict=True)]
    for variable, value in zip(statistics, before, strict=True):
        variable.assign(value)
    return {"gradients": gradients, "statistics": changes, "losses": losses, "divisor": divisor}


def trainable_variables(detector: Detector, freeze: str) -> list[tf.Variable]:
    """The variables that learn. In frozen layers batch normalisation keeps its statistics, too; the merged pipeline
    file names these layers under `freeze_variables` as the API expects them: patterns that a variable's name begins
    with."""
    layers = _frozen_layers(detector, freeze)
    freeze_batch_norm(layers)
    fold_batch_norm(detector.backbone.layers)
    onednn.speed_up(detector.backbone.layers)
    names = [f"{layer.name}/" for layer in layers if layer.trainable_weights]
    detector.config.train_config.freeze_variables.extend(names)
    frozen = {id(variable) for layer in layers for variable in layer.variables}
    return [variable for variable in detector.model.trainable_variables if id(variable) not in frozen]


def _frozen_layers(detector: Detector, freeze: str) -> list[tf.keras.layers.Layer]:
    if freeze == "early":
        return early_layers(detector.backbone)
    return detector.backbone.layers if freeze == "backbone" else []
