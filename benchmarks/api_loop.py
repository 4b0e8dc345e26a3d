"""Object Detection API's own training loop: its input pipeline, step and optimiser, for a merged pipeline file.

A process of its own, since importing `apparel.models.tfod` patches the API. It gets what it needs on this TensorFlow, a
stand-in for the estimators and two names that tf_slim asks for, and applies the depth multiplier once, as ours does.

The loop is `model_lib_v2.train_loop` with one step a call, without summaries and checkpoints: it cannot be called to do
a few steps and wait. It trains all layers, since the API's loop for TensorFlow 2 does not read `freeze_variables`.
"""

import functools
import sys
import types
from collections.abc import Callable

from apparel.utils import tf_environment  # noqa: F401 (selects Keras 2 before TensorFlow is imported)


def prepare() -> None:
    """Makes the API importable on a TensorFlow that it was not written for."""
    import tensorflow as tf
    from tensorflow.python.ops import cond, control_flow_case, control_flow_ops

    sys.modules["tensorflow.compat.v1.estimator"] = tf.compat.v1.estimator = types.ModuleType("estimator")
    control_flow_ops.case, control_flow_ops.cond = control_flow_case.case, cond.cond
    applications = tf.compat.v1.keras.applications
    keras_mobilenet = applications.MobileNet
    applications.MobileNet = lambda alpha, **options: keras_mobilenet(alpha=1.0, **options)


def training(pipeline_file: str) -> Callable[[], object]:
    """A function that makes one training step and returns its losses; as `model_lib_v2.train_loop` builds it."""
    import tensorflow as tf
    from object_detection import inputs, model_lib_v2
    from object_detection.builders import model_builder, optimizer_builder
    from object_detection.utils import config_util

    configs = config_util.get_configs_from_pipeline_file(pipeline_file)
    train, reader = configs["train_config"], configs["train_input_config"]
    strategy = tf.distribute.get_strategy()
    model = model_builder.build(configs["model"], is_training=True, add_summaries=False)

    def dataset(context: tf.distribute.InputContext) -> tf.data.Dataset:
        return inputs.train_input(train, reader, configs["model"], model=model, input_context=context).repeat()

    batches = strategy.distribute_datasets_from_function(dataset)
    global_step = tf.Variable(0, trainable=False, dtype=tf.int64)
    optimizer, _ = optimizer_builder.build(train.optimizer, global_step=global_step)
    if train.optimizer.use_moving_average:
        model_lib_v2._ensure_model_is_built(model, batches, train.unpad_groundtruth_tensors)
        optimizer.shadow_copy(model)
    if train.fine_tune_checkpoint:
        model_lib_v2.load_fine_tune_checkpoint(
            model,
            train.fine_tune_checkpoint,
            train.fine_tune_checkpoint_type,
            train.fine_tune_checkpoint_version,
            train.run_fine_tune_checkpoint_dummy_computation,
            batches,
            train.unpad_groundtruth_tensors,
        )

    def step(features: dict, labels: dict) -> dict:
        losses = model_lib_v2.eager_train_step(
            model,
            features,
            labels,
            train.unpad_groundtruth_tensors,
            optimizer,
            training_step=global_step,
            add_regularization_loss=train.add_regularization_loss,
            clip_gradients_value=train.gradient_clipping_by_norm or None,
            num_replicas=strategy.num_replicas_in_sync,
        )
        global_step.assign_add(1)
        return losses

    @tf.function
    def distributed_step(iterator):
        losses = strategy.run(step, args=next(iterator))
        return model_lib_v2.reduce_dict(strategy, losses, tf.distribute.ReduceOp.SUM)

    return functools.partial(distributed_step, iter(batches))


def main(pipeline_file: str) -> None:
    """Answers each line of standard input, a number of steps, after so many steps."""
    from benchmarks import train

    prepare()
    step = training(pipeline_file)
    train.answer(lambda: step()["Loss/total_loss"].numpy())


if __name__ == "__main__":
    main(sys.argv[1])
