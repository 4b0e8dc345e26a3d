"""Pretrained weights to start from: a checkpoint of one of TensorFlow's model zoos, a Keras backbone, or weights of
EfficientNet-Lite, which come with the installation."""

from collections.abc import Mapping
from pathlib import Path

import tensorflow as tf

from apparel import paths
from apparel.errors import UserError, nearest
from apparel.models import efficientnet_weights, packaged_weights
from apparel.models.detector import CheckpointMismatch, Detector, restore_checkpoint
from apparel.models.tf1_checkpoint import restore_variables
from apparel.params import Train
from apparel.utils import keras_weights, tensor_bundle
from apparel.utils.tensor_bundle import Tensor


def load_pretrained_weights(detector: Detector, train: Train) -> None:
    """Loads the weights that `train.checkpoint` names into a detector; `none` keeps its random weights.

    What is loaded depends on `train.checkpoint_type`: `detection` all but the class heads, `full` all weights,
    `backbone` those of the classification network.

    Raises:
        UserError: the checkpoint is missing, damaged, or of another shape than the detector.
    """
    if train.checkpoint == "none":
        return
    folder = paths.PRETRAINED / train.checkpoint
    if not folder.is_dir():
        imported = [path.name for path in paths.PRETRAINED.glob("*") if path.is_dir()]
        hint = nearest(train.checkpoint, imported) if imported else "; nothing is imported yet"
        raise UserError(
            f"train.checkpoint: there are no weights '{train.checkpoint}' in {paths.PRETRAINED.as_posix()}{hint}"
        )
    packaged = packaged_weights.read(folder)
    weights = sorted(folder.glob("*.h5"))
    if (packaged or weights) and train.checkpoint_type != "backbone":
        raise UserError(f"{folder} holds weights of a backbone; set train.checkpoint_type to 'backbone'")
    if packaged:
        efficientnet_weights.load_weights(detector.backbone, packaged.path())
    elif weights:
        _load_keras_backbone(detector, weights[0])
    else:
        kind = "classification" if train.checkpoint_type == "backbone" else train.checkpoint_type
        path = folder / "checkpoint" / "ckpt-0"
        tensors = tensor_bundle.read_index(path)
        if tensor_bundle.OBJECT_GRAPH not in tensors:
            _load_tf1_checkpoint(detector, kind, path, tensors)
            return
        restore_checkpoint(_checkpoint_part(detector, kind), folder)
        if kind == "detection":
            _restore_box_heads(detector, folder)


def _load_tf1_checkpoint(detector: Detector, kind: str, path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Loads the same parts as from a checkpoint of TensorFlow 2."""
    if kind == "classification":
        restore_variables(detector.backbone.variables, path, tensors)
        return
    restore_variables(detector.model._feature_extractor.variables, path, tensors)
    heads = getattr(detector.model._box_predictor, "_prediction_heads", {})
    if kind == "full":
        restore_variables(detector.model._box_predictor.variables, path, tensors)
    elif "box_encodings" in heads:
        try:
            restore_variables([weight for head in heads["box_encodings"] for weight in head.variables], path, tensors)
        except CheckpointMismatch as error:
            print(f"the box heads start from random weights: {error}")


def _restore_box_heads(detector: Detector, folder: Path) -> None:
    """Loads the box heads, which do not depend on the classes; those for other anchors keep their random weights."""
    heads = getattr(detector.model._box_predictor, "_prediction_heads", {}).get("box_encodings")
    if not heads:
        return
    predictor = tf.train.Checkpoint(_prediction_heads=tf.train.Checkpoint(box_encodings=heads))
    try:
        restore_checkpoint(tf.train.Checkpoint(model=tf.train.Checkpoint(_box_predictor=predictor)), folder)
    except CheckpointMismatch as error:
        print(f"the box heads start from random weights: {error}")


def _checkpoint_part(detector: Detector, kind: str) -> tf.train.Checkpoint:
    """The part of the detector to read from a zoo checkpoint; the API's `restore_from_objects` has the same parts."""
    if kind == "full":
        return tf.train.Checkpoint(model=detector.model)
    extractor = detector.model._feature_extractor
    if kind == "detection":
        return tf.train.Checkpoint(model=tf.train.Checkpoint(_feature_extractor=extractor))
    backbone = tf.train.Checkpoint(classification_backbone=detector.backbone)
    return tf.train.Checkpoint(model=tf.train.Checkpoint(_feature_extractor=backbone))


def _load_keras_backbone(detector: Detector, path: Path) -> None:
    """Loads the backbone by layer name: Keras Applications and the API have the same names for MobileNet v1.

    Not by Keras' `load_weights`, which reads whatever shape the file declares before it looks at the layer.
    """
    layers = [layer for layer in detector.backbone.layers if layer.weights]
    with keras_weights.opened(path) as stored:
        missing = sorted({layer.name for layer in layers} - set(keras_weights.layer_names(stored)))
        if missing:
            raise UserError(f"{path} has no layer {missing[0]}: not the weights of this detector's backbone")
        for layer in layers:
            shapes = [tuple(weight.shape) for weight in layer.weights]
            try:
                layer.set_weights(keras_weights.read_layer(stored, layer.name, shapes))
            except UserError as error:
                raise UserError(
                    f"{path} is of another shape than the backbone: {error}; check train.depth_multiplier"
                ) from None
