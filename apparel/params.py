"""params.yaml as frozen, strictly typed values: an unknown, missing or ill-typed key stops the run by name."""

import unicodedata
from collections.abc import Container
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError, field_validator, model_validator

from apparel import classes, paths
from apparel.errors import UserError
from apparel.utils import sections, yaml
from apparel.utils.nested import flatten
from apparel.utils.sections import NO_LINE, Line, Model, Section

Count = Annotated[int, Field(ge=1, lt=2**31)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
Share = Annotated[float, Field(gt=0, lt=1)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")]
"""A single folder or file name: no separators, no leading dot or dash."""


class Data(Section):
    """The data set, and its classes; their order gives the class ids, from 1."""

    name: Name
    unlabelled: Name
    classes: Annotated[tuple[str, ...], Field(min_length=1)]

    @field_validator("classes", mode="before")
    @classmethod
    def _list_of_names(cls, value: Any) -> Any:
        if not isinstance(value, list):
            return value
        unquoted = [entry for entry in value if entry is None or isinstance(entry, int | float | date)]
        if unquoted:
            examples = ", ".join(f"'{'null' if entry is None else str(entry).lower()}'" for entry in unquoted[:2])
            raise ValueError(
                "a class name that YAML reads as a number, a date, true, false or null has to be in quotes, such as "
                f'{examples} (in a shell: -S "data.classes=[{examples}]")'
            )
        return tuple(value)

    @field_validator("classes")
    @classmethod
    def _distinct(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if not name.strip() or name != name.strip() or not name.isprintable():
                raise ValueError(f"{name!r} is not a class name")
            if name in classes.RESERVED:
                raise ValueError(f"the results use the name {name!r} for something else; rename the class")
            if not unicodedata.is_normalized("NFC", name):
                raise ValueError(
                    f"{name!r} has accents apart from their letters (Unicode's NFD), as no label has; type it again"
                )
        if len(set(value)) < len(value):
            raise ValueError("a class is listed twice")
        return value


class Convert(Section):
    """How annotation files are read."""

    first_pixel: Annotated[int, Field(ge=0, le=1)]
    pairing: Literal["auto", "name", "filename"]
    exif: Literal["auto", "stored", "shown"]
    sizes: Literal["auto", "scaled", "own"]
    incomplete_as_negative: bool
    strict: bool


Fold = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,2}/[1-9][0-9]{0,2}( of all)?$")]
"""A fold of a cross-validation, such as `2/5`, the second of five; `2/5 of all` divides the photos of test, too."""


class Split(Section):
    """Which photos are in train, val and test."""

    seed: Seed
    test_fraction: Share
    val_fraction: Share
    test_list: str | None
    train_list: str | None
    val_list: str | None
    keep_duplicates_together: bool
    fold: Fold | None

    @field_validator("fold")
    @classmethod
    def _among_the_folds(cls, value: str | None) -> str | None:
        if value is not None:
            number, count, _ = parse_fold(value)
            if not number <= count or count < 2:
                raise ValueError(f"{value!r} is no fold: the first of five is '1/5', the last '5/5'; at least two")
        return value

    @property
    def judged(self) -> str:
        """The split that eval judges the model on: test, or with a fold val, since test is for the final figure."""
        return "val" if self.fold else "test"


class TFRecord(Section):
    """How photos and boxes are written to TFRecord files."""

    photos_per_shard: Count


class Train(Section):
    """The detector, its starting checkpoint, and how it is trained."""

    detector: Name
    checkpoint: Name
    checkpoint_type: Literal["detection", "full", "backbone"]
    resolution: Annotated[int, Field(ge=32, le=4096)]
    depth_multiplier: Annotated[float, Field(gt=0, le=1)]
    batch_size: Annotated[int, Field(ge=1, le=1024)]
    replicas: Annotated[int, Field(ge=1, le=1024)]
    epochs: Count
    steps: Count | None
    optimizer: Literal["adam", "rmsprop", "momentum"] | None
    learning_rate: Annotated[float, Field(gt=0, le=1e6)]
    backbone_learning_rate: Annotated[float, Field(ge=0, le=1)]
    schedule: Literal["cosine", "exponential", "constant"]
    warmup_fraction: Annotated[float, Field(ge=0, lt=1)]
    augmentation: tuple[str, ...] | None
    mosaic: Annotated[float, Field(ge=0, le=1)]
    copy_paste: Annotated[float, Field(ge=0, le=1)]
    multi_scale: Annotated[tuple[Annotated[int, Field(ge=33, le=4096)], ...], Field(max_length=5)]
    class_balance: Literal["none", "loss", "sampling"]
    assignment: Literal["iou", "atss", "dynamic"]
    classification_loss: Literal["softmax", "focal", "quality_focal"] | None
    box_loss: Literal["smooth_l1", "giou", "ciou"] | None
    anchors: Literal["fitted"] | None
    min_negatives_per_photo: Annotated[int, Field(ge=0, lt=2**31)]
    freeze: Literal["none", "batch_norm", "early", "backbone"]
    moving_average: Annotated[float, Field(ge=0, lt=1)]
    teacher: Literal["none", "mean", "labels"]
    unlabelled_ratio: Annotated[float, Field(gt=0, le=8)]
    unlabelled_weight: Annotated[float, Field(gt=0, le=100)]
    ramp_up_fraction: Annotated[float, Field(ge=0, lt=1)]
    teacher_threshold: Annotated[float, Field(ge=0.1, le=0.99)]
    precision: Literal["float32", "bfloat16"]
    min_precision: Annotated[float, Field(ge=0.5, le=0.99)] | None
    validate_every: Count
    patience: Annotated[int, Field(ge=0, lt=2**31)]
    seed: Seed

    @field_validator("augmentation", "multi_scale", mode="before")
    @classmethod
    def _list(cls, value: Any) -> Any:
        return tuple(value) if isinstance(value, list) else value

    @model_validator(mode="after")
    def _values_fit_each_other(self) -> "Train":
        sides, replicas = [self.resolution, *self.multi_scale], self.replicas
        faults = {
            "multi_scale lists a resolution twice, or that of train.resolution": len(set(sides)) < len(sides),
            f"replicas is {replicas}, which does not divide batch_size, {self.batch_size}": self.batch_size % replicas,
            f"replicas is {replicas}, and teacher {self.teacher!r}: set one of them": replicas > 1
            and self.teacher != "none",
            "copy_paste takes garments of the next photo of the batch: set batch_size to 2 or more": (
                self.copy_paste and self.batch_size == 1
            ),
            "teacher is 'mean', which is the average of the weights: set moving_average to 0.99": (
                self.teacher == "mean" and not self.moving_average
            ),
        }
        if found := [fault for fault, is_there in faults.items() if is_there]:
            raise ValueError("; ".join(found))
        return self


class Eval(Section):
    """How the trained model is evaluated and shown."""

    pictures: Annotated[int, Field(ge=0, le=100)]


ExportFormat = Literal["saved_model", "tflite", "tflite_int8", "onnx"]


class Export(Section):
    """The formats that the trained model is exported to."""

    formats: tuple[ExportFormat, ...]

    @field_validator("formats", mode="before")
    @classmethod
    def _list_of_formats(cls, value: Any) -> Any:
        return tuple(value) if isinstance(value, list) else value

    @field_validator("formats")
    @classmethod
    def _distinct(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) < len(value):
            raise ValueError("a format is listed twice")
        return value


class Promote(Section):
    """What `apparel promote` asks of a new champion; no stage reads it."""

    max_latency_ratio: Annotated[float, Field(ge=1, le=100)]


AFTER_RESULTS = ("export",)
"""Sections of stages that run after eval: they change no result."""


class Params(Section):
    """The whole of params.yaml."""

    data: Data
    convert: Convert
    split: Split
    tfrecord: TFRecord
    train: Train
    eval: Eval
    export: Export
    promote: Promote

    @model_validator(mode="after")
    def _backbone_needs_weights(self) -> "Params":
        if self.train.freeze in ("early", "backbone") and self.train.checkpoint == "none":
            frozen = f"train.freeze is '{self.train.freeze}'"
            raise ValueError(f"{frozen}, but train.checkpoint is 'none': random weights would stay random")
        return self

    @model_validator(mode="after")
    def _teacher_has_photos(self) -> "Params":
        teacher, unlabelled = self.train.teacher, self.data.unlabelled
        if (teacher == "none") != (unlabelled == "none"):
            remedy = "set both, or neither"
            raise ValueError(f"train.teacher is '{teacher}', but data.unlabelled is '{unlabelled}': {remedy}")
        return self

    @model_validator(mode="after")
    def _folds_are_not_exported(self) -> "Params":
        if self.split.fold and self.export.formats:
            raise ValueError("split.fold is set, and export.formats is not empty: formats are measured on test")
        return self

    def flat(self) -> dict[str, Any]:
        """The values that change a result, by dotted name such as `train.batch_size`; lists are joined by commas."""
        return flatten(self.model_dump(exclude=set(NOT_IN_STAGES)), join_lists=True)

    def result_values(self) -> dict[str, Any]:
        """`flat` without `AFTER_RESULTS`: the values that the results of eval are made with."""
        return {name: value for name, value in self.flat().items() if name.partition(".")[0] not in AFTER_RESULTS}


KEYS = tuple(
    f"{section}.{key}" for section, field in Params.model_fields.items() for key in field.annotation.model_fields
)
"""Every key of params.yaml by its dotted name, such as `train.epochs`."""

NOT_IN_STAGES = ("promote",)
"""Sections that no stage reads: their values change no result."""


def load(path: Path = paths.PARAMS, model: type[Model] = Params) -> Model:
    """Reads a params file as `model`, whose fields are sections.

    Raises:
        UserError: the file is missing or not YAML, or a key is unknown, missing or ill-typed; names each such key.
    """
    return parse(yaml.load(path, "run from the project's root folder"), str(path), model, yaml.Lines(path))


def parse(values: Any, where: str = "params.yaml", model: type[Model] = Params, line: Line = NO_LINE) -> Model:
    """Turns plain nested values into `model`, as `sections.parse` does.

    Raises:
        UserError: a key is unknown, missing or ill-typed; names each such key, and the nearest valid name.
    """
    return sections.parse(values, where, model, line)


def parse_fold(fold: str) -> tuple[int, int, bool]:
    """Number of the fold, from 1, number of folds, and whether the photos of test are divided, too."""
    numbers, _, of_all = fold.partition(" ")
    number, count = map(int, numbers.split("/"))
    return number, count, bool(of_all)


def judged_split(figures: Container[str]) -> str:
    """The split that results were judged on, given the names of those that they have figures of: see `Split.judged`."""
    return "test" if "test" in figures else "val"


def parse_name(name: str, where: str) -> str:
    """Returns a folder name that came from outside, or raises a `UserError` that says `where`."""
    try:
        return TypeAdapter(Name).validate_python(name)
    except ValidationError:
        raise UserError(f"{where}: {name!r} is no folder name of letters, digits, '_', '-' and '.'") from None
