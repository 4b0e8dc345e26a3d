"""The Object Detection API's augmentations as pure functions of a photo, its boxes and a seed.

Patches the random functions of the API's `preprocessor.py` while its steps are traced: they draw from TensorFlow's
stateful generators, whose numbers depend on all earlier draws of all threads. A resumed training would get other
numbers than one that was not killed, and parallel decoding would change them. Here every draw is stateless, from the
photo's seed and the number of the draw. The patch may go once `preprocessor.py` takes a seed as a tensor.
"""

import contextlib
import itertools
from collections.abc import Iterator

import numpy as np
import tensorflow as tf
from object_detection.builders import preprocessor_builder
from object_detection.core import preprocessor, standard_fields

from apparel.errors import UserError
from apparel.models.tfod.pipeline_file import PreprocessingStep

Fields = standard_fields.InputDataFields

_STATEFUL_OPS = (
    "RandomUniform",
    "RandomUniformInt",
    "RandomStandardNormal",
    "SampleDistortedBoundingBoxV2",
    "PyFunc",
)


TRAINABLE = ("random_distort_color", "random_horizontal_flip", "ssd_random_crop")
"""Steps that are known to train with the API's options: `check_steps` leaves them out, since tracing takes seconds.

A test runs them.
"""

MOVES_PIXELS = {"random_horizontal_flip", "random_vertical_flip", "random_rotation90", "ssd_random_crop"}
"""Steps that move pixels and compute none: 8 bits a colour give the same as float32, in a quarter of the memory."""

CHANGES_COLOURS = {"random_distort_color", "random_adjust_brightness", "random_adjust_contrast", "random_adjust_hue"}
CHANGES_COLOURS |= {"random_adjust_saturation", "random_rgb_to_gray"}
"""Steps that change the colour of each pixel and leave it where it is."""

TRIES = 20
"""Runs in `check_steps`; many steps apply at random."""


class _Overlay:
    """A module with a few of its names replaced."""

    def __init__(self, module, **replaced):
        self._module = module
        self.__dict__.update(replaced)

    def __getattr__(self, name):
        return getattr(self._module, name)


def split_steps(steps: list[PreprocessingStep]) -> tuple[list[PreprocessingStep], ...]:
    """Three parts of a list of steps, each in order: the first ones that only move pixels, the last ones that only
    change colours, and those between, which is their place in the result, too: first, between, last."""
    names = [step.WhichOneof("preprocessing_step") for step in steps]
    first = len(list(itertools.takewhile(MOVES_PIXELS.__contains__, names)))
    last = len(steps) - len(list(itertools.takewhile(CHANGES_COLOURS.__contains__, reversed(names))))
    return steps[:first], steps[first:last], steps[last:]


def augment(
    steps: list[PreprocessingStep],
    seed: tf.Tensor,
    image: tf.Tensor,
    boxes,
    classes,
    weights,
    draws: Iterator[int] | None = None,
):
    """Applies preprocessing steps in order.

    Args:
        steps: steps of the API's preprocessor.proto.
        seed: int32 (2,); the same seed gives the same result.
        image: float32 (H, W, 3), 0 to 255; uint8 for steps of `MOVES_PIXELS`.
        boxes: float32 (N, 4), normalised ymin, xmin, ymax, xmax.
        classes: int64 (N,), ids from 1.
        weights: float32 (N,).
        draws: numbers of the draws, which a photo's next steps go on with where these are not all; from 0 by default.

    Returns:
        image, boxes, classes and weights of the same kinds; boxes outside a crop are removed.

    Raises:
        UserError: a step draws random numbers without the seed, or needs more than photo and boxes.
    """
    if not steps:
        return image, boxes, classes, weights
    tensors = {
        Fields.image: image[tf.newaxis],
        Fields.groundtruth_boxes: boxes,
        Fields.groundtruth_classes: classes,
        Fields.groundtruth_weights: weights,
    }
    with _stateless(seed, itertools.count() if draws is None else draws):
        try:
            tensors = preprocessor.preprocess(tensors, [preprocessor_builder.build(step) for step in steps])
        except (ValueError, NameError, AttributeError) as error:
            names = ", ".join(step.WhichOneof("preprocessing_step") for step in steps)
            raise UserError(f"train.augmentation: one of {names} cannot run: {error}") from None
    _refuse_stateful_draws(tensors[Fields.image].graph)
    return (
        tensors[Fields.image][0],
        tensors[Fields.groundtruth_boxes],
        tensors[Fields.groundtruth_classes],
        tensors[Fields.groundtruth_weights],
    )


def check_steps(steps: list[PreprocessingStep]) -> None:
    """Runs the steps on synthetic photos: some of the API's need other inputs or give outputs that do not train.

    Nothing is run where all are of `TRAINABLE`, without options.

    Raises:
        UserError: they fail, or do not give a colour photo with boxes in 0..1.
    """
    if all(_is_trainable(step) for step in steps):
        return
    photo = np.random.default_rng(0).uniform(0, 255, (48, 64, 3)).astype(np.float32)
    box, weight = tf.constant([[0.25, 0.25, 0.75, 0.5]]), tf.ones([1])

    @tf.autograph.experimental.do_not_convert
    def run(number: tf.Tensor):
        return augment(steps, tf.stack([0, number]), tf.constant(photo), box, tf.ones([1], tf.int64), weight)

    names = ", ".join(step.WhichOneof("preprocessing_step") for step in steps)
    try:
        for image, boxes, _, _ in tf.data.Dataset.range(TRIES, output_type=tf.int32).map(run):
            inside = tf.reduce_all((boxes > -0.01) & (boxes < 1.01))
            if image.shape.rank != 3 or image.shape[-1] != 3 or not inside:
                raise ValueError(f"gives a photo of shape {image.shape} and boxes {boxes.numpy().tolist()}")
    except (tf.errors.OpError, ValueError, TypeError, AttributeError, LookupError) as error:
        reason = str(error).strip().splitlines()[0][:200]
        raise UserError(f"train.augmentation: one of {names} cannot be trained with: {reason}") from None


def _is_trainable(step: PreprocessingStep) -> bool:
    """Whether a step is one of `TRAINABLE`, with the options that the API gives it where the pipeline file names it."""
    name = step.WhichOneof("preprocessing_step")
    return name in TRAINABLE and not getattr(step, name).ByteSize()


@contextlib.contextmanager
def _stateless(seed: tf.Tensor, draws: Iterator[int]):
    """Makes the API's preprocessor draw from `seed` while its functions are traced."""

    def next_seed():
        return tf.random.fold_in(seed, next(draws), alg="philox")

    def uniform(shape, minval=0, maxval=None, dtype=tf.float32, seed=None, name=None):
        del seed, name
        maxval = 1.0 if maxval is None else maxval
        return tf.random.stateless_uniform(shape, next_seed(), minval, maxval, dtype)

    def normal(shape, mean=0.0, stddev=1.0, dtype=tf.float32, seed=None, name=None):
        del seed, name
        return tf.random.stateless_normal(shape, next_seed(), mean, stddev, dtype)

    def distorted_box(image_size, bounding_boxes, seed=None, seed2=None, **options):
        del seed, seed2
        return tf.image.stateless_sample_distorted_bounding_box(image_size, bounding_boxes, seed=next_seed(), **options)

    patched = _Overlay(
        preprocessor.tf,
        random_uniform=uniform,
        random_normal=normal,
        random=_Overlay(preprocessor.tf.random, uniform=uniform, normal=normal),
        image=_Overlay(preprocessor.tf.image, sample_distorted_bounding_box=distorted_box),
    )
    original, preprocessor.tf = preprocessor.tf, patched
    try:
        yield
    finally:
        preprocessor.tf = original


def _refuse_stateful_draws(graph) -> None:
    """Looks at the graph's operations and at those of its functions, which conditional branches are."""
    operations = [operation.type for operation in graph.get_operations()]
    for function in graph.as_graph_def().library.function:
        operations += [node.op for node in function.node_def]
    if found := sorted(set(operations) & set(_STATEFUL_OPS)):
        raise UserError(
            f"train.augmentation: a step draws random numbers without a seed ({', '.join(found)}); "
            "the training could not be repeated, choose another step"
        )
