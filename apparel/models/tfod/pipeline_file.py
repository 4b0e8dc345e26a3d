"""Pipeline files of the Object Detection API: read, write, preprocessing steps by name.

Nothing is patched here; other packages use this module in place of the API's protocol buffers.
"""

import re
from pathlib import Path

from google.protobuf import text_format
from object_detection.protos import pipeline_pb2, preprocessor_pb2

from apparel.errors import UserError, nearest

PipelineConfig = pipeline_pb2.TrainEvalPipelineConfig
PreprocessingStep = preprocessor_pb2.PreprocessingStep


def read(path: Path) -> PipelineConfig:
    """Reads a pipeline file.

    Raises:
        UserError: the file is missing, not a pipeline file, or has a field that is no finite number; names the file
            and, where known, the line or the field.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        detectors = sorted(file.stem for file in path.parent.glob("*.config"))
        hint = nearest(path.stem, detectors) if detectors else ""
        raise UserError(f"{path} not found{hint}") from None
    except UnicodeDecodeError:
        raise UserError(f"{path} is not a text file") from None
    try:
        config = text_format.Parse(text, PipelineConfig())
    except text_format.ParseError as error:
        raise UserError(f"{path} is not a pipeline file of the Object Detection API, line {error}") from None
    if not_finite := re.search(r"\w+: (nan|-?inf)\b", text_format.MessageToString(config)):
        raise UserError(f"{path}: {not_finite[0]} is no finite number")
    return config


def write(config: PipelineConfig, path: Path) -> None:
    """Writes a pipeline file that `read` and the Object Detection API's own tools take."""
    path.write_text(text_format.MessageToString(config), encoding="utf-8", newline="\n")


def augmentation_steps(names: tuple[str, ...], config: PipelineConfig) -> list[PreprocessingStep]:
    """Preprocessing steps by name, with the options that the pipeline file gives them, else the API's defaults.

    Raises:
        UserError: a name is not a step of the API's preprocessor.proto; gives the nearest one.
    """
    configured = {step.WhichOneof("preprocessing_step"): step for step in config.train_config.data_augmentation_options}
    return [configured[name] if name in configured else _step(name) for name in names]


_MORE_BOXES = ("random_self_concat_image",)
"""Steps that add boxes to a photo: batches are padded to the most boxes that a photo has."""


def _step(name: str) -> PreprocessingStep:
    fields = [field.name for field in PreprocessingStep.DESCRIPTOR.oneofs_by_name["preprocessing_step"].fields]
    if name in _MORE_BOXES:
        raise UserError(f"train.augmentation: {name} makes more boxes than a photo has; leave it out")
    if name not in fields:
        raise UserError(f"train.augmentation: there is no step {name!r}{nearest(name, fields)}")
    step = PreprocessingStep()
    getattr(step, name).SetInParent()
    return step
