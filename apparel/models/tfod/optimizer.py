"""Optimisers and learning rates from the pipeline file.

Replaces the API's `optimizer_builder.build`: for RMSProp it passes the decay of the moving average to Keras as the
decay of the learning rate, which current Keras refuses. The optimisers are built here, with Keras 2's fused operations;
the schedules are the API's. This may go once `optimizer_builder.build` gives an RMSProp with the pipeline file's `rho`.
"""

import tensorflow as tf
from object_detection.builders import optimizer_builder

from apparel.errors import UserError
from apparel.models.tfod.pipeline_file import PipelineConfig


def build_optimizer(config: PipelineConfig) -> tf.keras.optimizers.Optimizer:
    """The optimiser of the section `train_config`; the training sets its `learning_rate` at each step.

    Raises:
        UserError: the section names no optimiser.
    """
    optimizers = tf.keras.optimizers.legacy
    kind = config.train_config.optimizer.WhichOneof("optimizer")
    section = getattr(config.train_config.optimizer, kind) if kind else None
    if kind == "rms_prop_optimizer":
        return optimizers.RMSprop(
            0.0, rho=section.decay, momentum=section.momentum_optimizer_value, epsilon=section.epsilon
        )
    if kind == "momentum_optimizer":
        return optimizers.SGD(0.0, momentum=section.momentum_optimizer_value)
    if kind == "adam_optimizer":
        return optimizers.Adam(0.0, epsilon=section.epsilon)
    raise UserError("the pipeline file has no optimiser; set train.optimizer in params.yaml")


def learning_rate_at(config: PipelineConfig, step: tf.Tensor) -> tf.Tensor:
    """The learning rate of a step, a scalar float32; `step` is a scalar int64 from 0. For a `tf.function`."""
    optimizer = config.train_config.optimizer
    section = getattr(optimizer, optimizer.WhichOneof("optimizer"))
    return tf.cast(optimizer_builder._create_learning_rate(section.learning_rate, global_step=step), tf.float32)
