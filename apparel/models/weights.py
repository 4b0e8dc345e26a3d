"""Starting weights: a model-zoo checkpoint of the Object Detection API, or a Keras MobileNet for the backbone."""

from pathlib import Path

import tensorflow as tf

from apparel import paths
from apparel.errors import UserError, nearest
from apparel.models.detector import Detector, OtherShape, restore
from apparel.params import Train


def load(detector: Detector, train: Train) -> None:
    """Gives a detector the weights that `train.checkpoint` names; `none` leaves it as it was made.

    `detection` takes all but what tells the classes apart, `full` all weights, `backbone` the classification network's.

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
    weights = sorted(folder.glob("*.h5"))
    if train.checkpoint_type == "backbone" and weights:
        _load_keras(detector, weights[0])
    elif weights:
        raise UserError(f"{folder} holds weights of a backbone; set train.checkpoint_type to 'backbone'")
    else:
        kind = "classification" if train.checkpoint_type == "backbone" else train.checkpoint_type
        restore(_part(detector, kind), folder)
        if kind == "detection":
            _restore_box_heads(detector, folder)


def _restore_box_heads(detector: Detector, folder: Path) -> None:
    """The weights that shape boxes, which know of no classes; those for other anchors are learned anew."""
    heads = getattr(detector.model._box_predictor, "_prediction_heads", {}).get("box_encodings")
    if not heads:
        return
    predictor = tf.train.Checkpoint(_prediction_heads=tf.train.Checkpoint(box_encodings=heads))
    try:
        restore(tf.train.Checkpoint(model=tf.train.Checkpoint(_box_predictor=predictor)), folder)
    except OtherShape as error:
        print(f"the shapes of boxes are learned anew: {error}")


def _part(detector: Detector, kind: str) -> tf.train.Checkpoint:
    """What of a zoo checkpoint is read; `restore_from_objects` of the API has the same parts."""
    if kind == "full":
        return tf.train.Checkpoint(model=detector.model)
    extractor = detector.model._feature_extractor
    if kind == "detection":
        return tf.train.Checkpoint(model=tf.train.Checkpoint(_feature_extractor=extractor))
    backbone = tf.train.Checkpoint(classification_backbone=detector.backbone)
    return tf.train.Checkpoint(model=tf.train.Checkpoint(_feature_extractor=backbone))


def _load_keras(detector: Detector, path: Path) -> None:
    """By layer names, which Keras Applications and the Object Detection API share for MobileNet v1."""
    import h5py

    backbone = detector.backbone
    try:
        with h5py.File(path, "r") as file:
            stored = {_text(name) for name in file.get("model_weights", file).attrs["layer_names"]}
        missing = sorted({layer.name for layer in backbone.layers if layer.weights} - stored)
        if missing:
            raise UserError(f"{path} has no layer {missing[0]}: not the weights of this detector's backbone")
        backbone.load_weights(str(path), by_name=True)
    except (OSError, KeyError, TypeError) as error:
        raise UserError(f"{path} is not a Keras weights file: {error}") from None
    except ValueError as error:
        raise UserError(
            f"{path} is of another shape than the backbone: {str(error).splitlines()[0]}; check train.depth_multiplier"
        ) from None


def _text(name: bytes | str) -> str:
    return name.decode() if isinstance(name, bytes) else name
