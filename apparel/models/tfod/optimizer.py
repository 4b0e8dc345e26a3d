"""Optimisers and learning rates from the pipeline file.

Mended: for RMSProp the API's `optimizer_builder.py` hands the decay of the moving average to Keras as the decay of the
learning rate, and current Keras refuses that. The optimisers are made here instead, with Keras 2's fused operations;
the schedules are the API's. This may go once `optimizer_builder.build` makes an RMSProp whose `rho` is the file's.
"""

import tensorflow as tf
from object_detection.builders import optimizer_builder

from apparel.errors import UserError
from apparel.models.tfod.pipeline_file import PipelineConfig


def build(config: PipelineConfig) -> tf.keras.optimizers.Optimizer:
    """The optimiser of the section `train_config`; its `learning_rate` is to be set at each step.

    Raises:
        UserError: the section names none.
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


def learning_rate(config: PipelineConfig, step: tf.Tensor) -> tf.Tensor:
    """The learning rate of a step, a scalar float32; `step` is a scalar int64 from 0. For a `tf.function`."""
    section = config.train_config.optimizer
    chosen = getattr(section, section.WhichOneof("optimizer"))
    return tf.cast(optimizer_builder._create_learning_rate(chosen.learning_rate, global_step=step), tf.float32)
