"""Pipeline files of the Object Detection API: read, write, preprocessing steps by name.

Nothing is patched here; other packages use this module in place of the API's protocol buffers.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from google.protobuf import text_format
from google.protobuf.message import Message
from object_detection.protos import pipeline_pb2, preprocessor_pb2

from apparel.errors import UserError, nearest
from apparel.utils import limits

PipelineConfig = pipeline_pb2.TrainEvalPipelineConfig
PreprocessingStep = preprocessor_pb2.PreprocessingStep


MAX_MODEL_NUMBER = 100_000
"""Largest whole number in the section `model`: anchors, layers, channels, pixels; the API's files have thousands."""


def read(path: Path) -> PipelineConfig:
    """Reads a pipeline file.

    Raises:
        UserError: the file is missing, too large, not a pipeline file, or has a field that is no finite number, or a
            number of gigabytes; names the file and, where known, the line or the field.
    """
    try:
        text = limits.read_bytes(path, limits.MAX_PIPELINE_BYTES).decode("utf-8")
    except FileNotFoundError:
        detectors = sorted(file.stem for file in path.parent.glob("*.config"))
        hint = nearest(path.stem, detectors) if detectors else ""
        raise UserError(f"{path} not found{hint}") from None
    except UnicodeDecodeError:
        raise UserError(f"{path} is not a text file") from None
    try:
        config = text_format.Parse(text, PipelineConfig())
    except (text_format.ParseError, RecursionError) as error:
        raise UserError(f"{path} is not a pipeline file of the Object Detection API, line {error}") from None
    if not_finite := re.search(r"\w+: (nan|-?inf)\b", text_format.MessageToString(config)):
        raise UserError(f"{path}: {not_finite[0]} is no finite number")
    if too_large := next((field for field in _numbers(config.model) if field[1] > MAX_MODEL_NUMBER), None):
        name, number = too_large
        raise UserError(f"{path}: {name}: {number:,} is more than a detector that fits into memory has")
    return config


def extractor(path: Path) -> str:
    """The type of the feature extractor in a pipeline file; empty where that cannot be read."""
    try:
        model = read(path).model
    except UserError:
        return ""
    meta_architecture = model.WhichOneof("model")
    found = getattr(getattr(model, meta_architecture), "feature_extractor", None) if meta_architecture else None
    return getattr(found, "type", "")


def write(config: PipelineConfig, path: Path) -> None:
    """Writes a pipeline file that `read` and the Object Detection API's own tools take."""
    path.write_text(text_format.MessageToString(config), encoding="utf-8", newline="\n")


def _numbers(message: Message) -> Iterator[tuple[str, int]]:
    """The whole numbers of a message and those in it, by field; a repeated field also by how often it is repeated."""
    for field, value in message.ListFields():
        values = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
        yield field.name, len(values)
        for part in values:
            if isinstance(part, Message):
                yield from _numbers(part)
            elif isinstance(part, int):
                yield field.name, part


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
