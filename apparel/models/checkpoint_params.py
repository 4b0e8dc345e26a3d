"""Parameters that imported starting weights need: what params.yaml has to say so that a detector can load them."""

from contextlib import suppress
from pathlib import Path

from apparel import paths
from apparel.errors import UserError
from apparel.models import packaged_weights
from apparel.utils import keras_weights

FIRST_FILTERS = 32
"""Filters of the first layer, `conv1`, of a MobileNet v1 at a depth multiplier of 1 (Howard et al. 2017, table 1)."""

MOBILENET_DETECTOR = "ssd_mobilenet_v1"
"""The detector for weights of MobileNet v1's backbone."""

RESOLUTIONS = range(33, 4097)
"""Pixels, values of `train.resolution`; others are not proposed."""


def read_checkpoint_params(folder: Path) -> dict[str, object]:
    """Reads the parameters of the section `train` of params.yaml that these weights need, besides `checkpoint`.

    Args:
        folder: of data/pretrained: a Keras `.h5`, a checkpoint with its pipeline.config, or the name of weights that
            come with the installation.

    Returns:
        Values by parameter, without those that the files do not tell: no `detector` where configs/ has none for them.
    """
    if (folder / packaged_weights.FILE).is_file():
        return _packaged_params(folder)
    keras_files = sorted(folder.glob("*.h5"))
    return _keras_params(keras_files[0]) if keras_files else _pipeline_params(folder / "pipeline.config")


def _packaged_params(folder: Path) -> dict[str, object]:
    params: dict[str, object] = {"checkpoint_type": "backbone", "depth_multiplier": 1.0}
    with suppress(UserError):  # damaged: whoever reads the weights says so
        params = _detector(f"ssd_{packaged_weights.read(folder).network}") | params
    return params


def _detector(kind: str) -> dict[str, object]:
    """The detector of configs/ with this feature extractor, as a parameter; those of TensorFlow 1 lack its `_keras`."""
    from apparel.models.tfod import pipeline_file

    kind = kind.removesuffix("_keras")
    names = sorted(path.stem for path in paths.CONFIGS.glob("*.config"))
    extractors = {name: pipeline_file.extractor(paths.CONFIGS / f"{name}.config") for name in names}
    return next(({"detector": name} for name in names if kind and extractors[name].removesuffix("_keras") == kind), {})


def _keras_params(path: Path) -> dict[str, object]:
    params: dict[str, object] = {"checkpoint_type": "backbone"}
    with suppress(UserError), keras_weights.opened(path) as layers:
        kernel = next(iter(keras_weights.shapes(layers, "conv1").values()))
        depth_multiplier = kernel[-1] / FIRST_FILTERS
        if 0 < depth_multiplier <= 1:  # another network's first layer has more
            params["depth_multiplier"] = depth_multiplier
            params = _detector(MOBILENET_DETECTOR) | params
    return params


def _pipeline_params(path: Path) -> dict[str, object]:
    from apparel.models.tfod import pipeline_file

    try:
        model = pipeline_file.read(path).model
    except UserError:
        return {}
    if model.WhichOneof("model") != "ssd":
        return {}
    kind = model.ssd.feature_extractor.type
    has_other_heads = kind.startswith("ssd_mobilenet_v1_") and kind != "ssd_mobilenet_v1_keras"  # with an FPN, for one
    params = _detector(MOBILENET_DETECTOR if has_other_heads else kind)
    depth_multiplier = round(model.ssd.feature_extractor.depth_multiplier, 4)
    if 0 < depth_multiplier <= 1:
        params["depth_multiplier"] = depth_multiplier
    resizer = model.ssd.image_resizer.fixed_shape_resizer
    if has_other_heads:
        params["checkpoint_type"] = "backbone"
    elif resizer.height == resizer.width and resizer.height in RESOLUTIONS:
        params["resolution"] = resizer.height
    return params
