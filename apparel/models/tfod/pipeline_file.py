"""Pipeline files of the Object Detection API: read, written, and their preprocessing steps named.

Nothing is mended here; the module keeps the API's protocol buffers behind one door.
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
        known = sorted(file.stem for file in path.parent.glob("*.config"))
        hint = nearest(path.stem, known) if known else ""
        raise UserError(f"{path} not found{hint}") from None
    except UnicodeDecodeError:
        raise UserError(f"{path} is not a text file") from None
    try:
        config = text_format.Parse(text, PipelineConfig())
    except text_format.ParseError as error:
        raise UserError(f"{path} is not a pipeline file of the Object Detection API, line {error}") from None
    if endless := re.search(r"\w+: (nan|-?inf)\b", text_format.MessageToString(config)):
        raise UserError(f"{path}: {endless[0]} is no finite number")
    return config


def write(config: PipelineConfig, path: Path) -> None:
    """Writes a pipeline file that `read` and the Object Detection API's own tools take."""
    path.write_text(text_format.MessageToString(config), encoding="utf-8", newline="\n")


def augmentation_steps(names: tuple[str, ...], known: PipelineConfig) -> list[PreprocessingStep]:
    """Preprocessing steps by name, with the options that the pipeline file gives them, else the API's defaults.

    Raises:
        UserError: a name is not a step of the API's preprocessor.proto; gives the nearest one.
    """
    given = {step.WhichOneof("preprocessing_step"): step for step in known.train_config.data_augmentation_options}
    return [given[name] if name in given else _step(name) for name in names]


_MORE_BOXES = ("random_self_concat_image",)
"""Steps that give a photo more boxes than it had, for which batches have no room."""


def _step(name: str) -> PreprocessingStep:
    fields = [field.name for field in PreprocessingStep.DESCRIPTOR.oneofs_by_name["preprocessing_step"].fields]
    if name in _MORE_BOXES:
        raise UserError(f"train.augmentation: {name} makes more boxes than a photo has; leave it out")
    if name not in fields:
        raise UserError(f"train.augmentation: there is no step {name!r}{nearest(name, fields)}")
    step = PreprocessingStep()
    getattr(step, name).SetInParent()
    return step
