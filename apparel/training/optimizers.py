"""Optimisers of a training: one for all layers, and a second where the backbone learns at a lower rate than the heads.

The optimisers of Keras 2 know one rate for all variables.
"""

from collections.abc import Sequence

import tensorflow as tf

from apparel.errors import UserError
from apparel.models.detector import Detector
from apparel.models.tfod.optimizer import build_optimizer


class Optimizers:
    """Applies gradients at the rate of each layer.

    Args:
        detector: the model, and its pipeline file with the optimiser.
        trainable: the variables that learn.
        backbone_share: learning rate of the backbone as a factor of that of all other layers, 0 to 1.

    Attributes:
        by_name: the optimisers, by their names in a checkpoint.

    Raises:
        UserError: the detector has no backbone that it could tell from the rest.
    """

    def __init__(self, detector: Detector, trainable: Sequence[tf.Variable], backbone_share: float) -> None:
        self._trainable = trainable
        self._shares = {"optimizer": 1.0}
        self._names = ["optimizer"] * len(trainable)
        if backbone_share < 1:
            backbone = {id(variable) for variable in _backbone(detector).variables}
            self._shares["backbone_optimizer"] = backbone_share
            self._names = ["backbone_optimizer" if id(one) in backbone else "optimizer" for one in trainable]
        self.by_name = {name: build_optimizer(detector.config) for name in sorted(set(self._names))}
        for name, optimizer in self.by_name.items():
            # A `tf.function` that creates variables is traced twice: once to create them, and once without.
            optimizer._create_all_weights(
                [one for one, owner in zip(trainable, self._names, strict=True) if owner == name]
            )

    def apply(self, gradients: Sequence[tf.Tensor], rate: tf.Tensor) -> None:
        """One step.

        Args:
            gradients: of the variables that learn, in their order.
            rate: learning rate of the heads, a scalar float32.
        """
        for name, optimizer in self.by_name.items():
            share = self._shares[name]
            optimizer.learning_rate.assign(rate if share == 1 else rate * share)
            pairs = zip(gradients, self._trainable, self._names, strict=True)
            optimizer.apply_gradients([(gradient, variable) for gradient, variable, owner in pairs if owner == name])


def _backbone(detector: Detector) -> tf.keras.Model:
    try:
        return detector.backbone
    except AttributeError:
        raise UserError(
            "train.backbone_learning_rate: this detector has no backbone apart from the rest; set it to 1.0"
        ) from None
