"""Sections of a YAML file as frozen, strictly typed values, and pydantic's errors in the terms of the file."""

import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from apparel.errors import UserError, nearest, plain
from apparel.utils import nested

MOST_PROBLEMS = 20
"""Problems of a file that are named; the others are counted."""


OF_SECTIONS = ("model_type", "extra_forbidden", "invalid_key")
"""Pydantic's errors about a whole section or a key of it: a number at the end of where they are is no mere value's."""

Keys = Sequence[str | int]
"""Where a value is in nested ones: keys of dictionaries, and numbers from 0 in lists."""

Line = Callable[[Keys], int | None]
"""The line of a file on which a value begins, from 1; None where it is not known."""

NO_LINE: Line = lambda _: None  # noqa: E731 - with its type
"""For values that are not in a file."""


class Section(BaseModel):
    """A section: immutable, without type coercion, unknown keys or NaN."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


Model = TypeVar("Model", bound=Section)


def parse(values: Any, where: str, model: type[Model], line: Line = NO_LINE) -> Model:
    """Turns plain nested values into `model`.

    Args:
        values: as a file has them.
        where: what errors call it.
        model: whose fields are sections or values.
        line: finds the line of an entry of a list, for errors.

    Raises:
        UserError: a key is unknown, missing or ill-typed; names each such key, and the nearest valid name.
    """
    if not isinstance(values, dict):
        raise UserError(f"{where}: expected the keys {', '.join(model.model_fields)}, found {type(values).__name__}")
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise UserError(f"{where}: {_explain_all(error, model, values, line)}") from None


def _explain_all(error: ValidationError, model: type[Section], values: Any, line: Line) -> str:
    """The problems of values that are not a `model`, each with its key and the nearest valid name, in one line."""
    found = error.errors(include_url=False)
    problems = [problem for problem in found if not _follows(problem, found)]
    named = "; ".join(_explain(problem, model, values, line) for problem in problems[:MOST_PROBLEMS])
    more = len(problems) - MOST_PROBLEMS
    return named + (f"; and {more:,} more" if more > 0 else "")


def _follows(problem: dict, others: list[dict]) -> bool:
    """A list whose entries are all refused is reported as empty, too, which it is not."""
    if problem["type"] != "too_short":
        return False
    depth = len(problem["loc"])
    return any(len(other["loc"]) > depth and other["loc"][:depth] == problem["loc"] for other in others)


def _explain(problem: dict, model: type[Section], values: Any, line: Line) -> str:
    """One of pydantic's errors in the terms of the file: `train.epochs: should be greater than 0, found -1`."""
    location = list(problem["loc"])
    is_whole_section = problem["type"] == "value_error" and isinstance(problem["input"], dict)
    if not is_whole_section and problem["type"] not in OF_SECTIONS:
        while location and isinstance(location[-1], int):  # which entry of a list, which the value found shows
            location.pop()
    name, value = plain(_in_words(location, values, line)), problem["input"]
    if problem["type"] == "missing":
        return f"{name} is missing"
    if problem["type"] == "extra_forbidden":
        return f"{name} is unknown{nearest(str(location[-1]), list(_model_at(location[:-1], model).model_fields))}"
    message = problem["msg"].removeprefix("Value error, ")
    message = message.replace("a valid tuple", "a list").replace("Tuple should", "list should")
    if problem["type"] == "model_type":
        message = f"should have the keys {', '.join(_model_at(location, model).model_fields)}"
    if not name:
        return message
    hint = ""
    if problem["type"] == "literal_error" and isinstance(value, str):
        nearest_value = nearest(value.lower(), re.findall("'(.*?)'", message))
        hint = nearest_value if "did you" in nearest_value else ""
    found = "" if is_whole_section else f", found {plain(_shown(value))}{hint}"
    return f"{name}: {message[0].lower()}{message[1:]}{found}"


def _in_words(location: Keys, values: Any, line: Line) -> str:
    """Where a problem is, as a person counts: `train.epochs`, `member 2 (line 5): model`, `space.x, entry 1: float`."""
    texts: list[str] = []
    keys: list[str] = []
    for depth, part in enumerate(location):
        if isinstance(part, int) and isinstance(values, list | tuple):
            entry = f"{keys[0].removesuffix('s')} {part + 1}" if depth == 1 else f"{'.'.join(keys)}, entry {part + 1}"
            number = line(location[: depth + 1])
            texts.append(entry + (f" (line {number})" if number else ""))
            keys = []
        elif not isinstance(part, int) or (isinstance(values, dict) and part in values):
            keys.append(str(part))  # any other number is that of the only entry, written without a list
        else:
            continue
        values = nested.at(values, [part])
    return ": ".join([*texts, *([".".join(keys)] if keys else [])])


def _shown(value: Any) -> str:
    """A value as Python writes it; of what is too long to be written, its type."""
    try:
        return repr(value)
    except (ValueError, RecursionError):  # a whole number of more than 4,300 digits, lists in lists
        return type(value).__name__


def _model_at(location: list[str | int], model: type[Section]) -> type[Section]:
    """The section that lies at this location of `model`: keys of a dictionary and numbers in a list are passed over."""
    for part in location:
        if part in model.model_fields:
            model = _section_in(model.model_fields[part].annotation) or model
    return model


def _section_in(annotation: Any) -> type[Section] | None:
    """The section in a type such as `dict[str, tuple[Section, ...]]`."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    return next((section for part in get_args(annotation) if (section := _section_in(part))), None)
