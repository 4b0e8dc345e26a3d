"""params.yaml as frozen, strictly typed values: an unknown, missing or ill-typed key stops the run by name."""

import re
import unicodedata
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator, model_validator

from apparel import classes, paths
from apparel.errors import UserError, nearest

Count = Annotated[int, Field(ge=1, lt=2**31)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
Share = Annotated[float, Field(gt=0, lt=1)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")]
"""A single folder or file name: no separators, no leading dot or dash."""


class Section(BaseModel):
    """One section: immutable, no type coercion, no keys of its own invention, no NaN."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Data(Section):
    """Which photos, and which classes in which order (ids start at 1)."""

    name: Name
    classes: Annotated[tuple[str, ...], Field(min_length=1)]

    @field_validator("classes", mode="before")
    @classmethod
    def _list_of_names(cls, value: Any) -> Any:
        return tuple(value) if isinstance(value, list) else value

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
                    f"{name!r} has accents apart from their letters (Unicode's NFD), as no label has; type it anew"
                )
        if len(set(value)) < len(value):
            raise ValueError("a class is listed twice")
        return value


class Convert(Section):
    """How annotation files are read."""

    first_pixel: Annotated[int, Field(ge=0, le=1)]
    strict: bool


class Split(Section):
    """Who is in train, val and test."""

    seed: Seed
    test_fraction: Share
    val_fraction: Share
    test_list: str | None
    train_list: str | None
    keep_duplicates_together: bool


class TFRecord(Section):
    """How photos and boxes are packed."""

    photos_per_shard: Count


class Train(Section):
    """What is trained, from what, and how."""

    detector: Name
    checkpoint: Name
    checkpoint_type: Literal["detection", "full", "backbone"]
    resolution: Annotated[int, Field(ge=32, le=4096)]
    depth_multiplier: Annotated[float, Field(gt=0, le=1)]
    batch_size: Annotated[int, Field(ge=1, le=1024)]
    epochs: Count
    steps: Count | None
    optimizer: Literal["adam", "rmsprop", "momentum"] | None
    learning_rate: Annotated[float, Field(gt=0, le=1e6)]
    schedule: Literal["cosine", "exponential", "constant"]
    warmup_fraction: Annotated[float, Field(ge=0, lt=1)]
    augmentation: tuple[str, ...] | None
    mosaic: Annotated[float, Field(ge=0, le=1)]
    class_balance: Literal["none", "loss", "sampling"]
    min_negatives_per_photo: Annotated[int, Field(ge=0, lt=2**31)]
    freeze: Literal["none", "batch_norm", "early", "backbone"]
    moving_average: Annotated[float, Field(ge=0, lt=1)]
    validate_every: Count
    patience: Annotated[int, Field(ge=0, lt=2**31)]
    seed: Seed

    @field_validator("augmentation", mode="before")
    @classmethod
    def _list_of_steps(cls, value: Any) -> Any:
        return tuple(value) if isinstance(value, list) else value


class Eval(Section):
    """How the kept model is measured and shown."""

    bootstrap_samples: Annotated[int, Field(ge=100, le=100_000)]
    pictures: Annotated[int, Field(ge=0, le=100)]


class Params(Section):
    """The whole of params.yaml."""

    data: Data
    convert: Convert
    split: Split
    tfrecord: TFRecord
    train: Train
    eval: Eval

    @model_validator(mode="after")
    def _backbone_needs_weights(self) -> "Params":
        if self.train.freeze in ("early", "backbone") and self.train.checkpoint == "none":
            frozen = f"train.freeze is '{self.train.freeze}'"
            raise ValueError(f"{frozen}, but train.checkpoint is 'none': random weights would stay random")
        return self

    def flat(self) -> dict[str, Any]:
        """All values by dotted name, such as `train.batch_size`; lists are joined by commas."""
        return {
            f"{section}.{key}": ",".join(value) if isinstance(value, tuple) else value
            for section, values in self.model_dump().items()
            for key, value in values.items()
        }


Model = TypeVar("Model", bound=Section)


def load(path: Path = paths.PARAMS, model: type[Model] = Params) -> Model:
    """Reads and checks a params file against `model`, whose fields are sections.

    Raises:
        UserError: the file is missing or not YAML, or a key is unknown, missing or ill-typed; names each such key.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        values = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path} not found; run from the project's root folder") from None
    except (YAMLError, ValueError, RecursionError) as error:
        raise UserError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    return check(values, str(path), model)


def check_name(name: str, where: str) -> str:
    """Returns a folder name that came from outside, or raises a `UserError` that says `where`."""
    try:
        return TypeAdapter(Name).validate_python(name)
    except ValidationError:
        raise UserError(f"{where}: {name!r} is no folder name of letters, digits, '_', '-' and '.'") from None


def check(values: Any, where: str = "params.yaml", model: type[Model] = Params) -> Model:
    """Turns plain nested values into `model`.

    Raises:
        UserError: a key is unknown, missing or ill-typed; names each such key, and the nearest valid name.
    """
    if not isinstance(values, dict):
        raise UserError(f"{where}: expected sections {', '.join(model.model_fields)}, found {type(values).__name__}")
    try:
        return model.model_validate(values)
    except ValidationError as error:
        problems = [each for each in error.errors() if not _follows(each, error.errors())]
        raise UserError(f"{where}: " + "; ".join(_explain(problem, model) for problem in problems)) from None


def _follows(problem: dict, others: list[dict]) -> bool:
    """A list whose entries are all refused counts as empty, too, which it is not."""
    depth = len(problem["loc"])
    below = [each for each in others if len(each["loc"]) > depth and each["loc"][:depth] == problem["loc"]]
    return problem["type"] == "too_short" and bool(below)


def _explain(problem: dict, model: type[Section]) -> str:
    location = [str(part) for part in problem["loc"]]
    name = ".".join(location[:2])
    if problem["type"] == "missing":
        return f"{name} is missing"
    if problem["type"] == "extra_forbidden":
        section = model.model_fields[location[0]].annotation if len(location) > 1 else model
        return f"{name} is unknown{nearest(location[-1], list(section.model_fields))}"
    message = problem["msg"].removeprefix("Value error, ").replace("a valid tuple", "a list")
    if problem["type"] == "model_type":
        message = f"should have the keys {', '.join(model.model_fields[location[0]].annotation.model_fields)}"
    if problem["type"] == "literal_error" and isinstance(problem["input"], str):
        hint = nearest(problem["input"].lower(), re.findall("'(.*?)'", message))
        return f"{name}: {message[0].lower()}{message[1:]}, found {problem['input']!r}{hint * ('did you' in hint)}"
    if not name:
        return message
    return f"{name}: {message[0].lower()}{message[1:]}, found {problem['input']!r}"
