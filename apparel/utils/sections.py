"""Sections of a YAML file as frozen, strictly typed values, and pydantic's errors in the terms of the file."""

import re
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from apparel.errors import nearest, plain

MOST_PROBLEMS = 20
"""Problems of a file that are named; the others are counted."""


class Section(BaseModel):
    """A section: immutable, without type coercion, unknown keys or NaN."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def explain(error: ValidationError, model: type[Section]) -> str:
    """The problems of values that are not a `model`, each with its key and the nearest valid name, in one line."""
    found = error.errors(include_url=False)
    problems = [problem for problem in found if not _follows(problem, found)]
    named = "; ".join(_explain(problem, model) for problem in problems[:MOST_PROBLEMS])
    more = len(problems) - MOST_PROBLEMS
    return named + (f"; and {more:,} more" if more > 0 else "")


def _follows(problem: dict, others: list[dict]) -> bool:
    """A list whose entries are all refused is reported as empty, too, which it is not."""
    if problem["type"] != "too_short":
        return False
    depth = len(problem["loc"])
    return any(len(other["loc"]) > depth and other["loc"][:depth] == problem["loc"] for other in others)


def _explain(problem: dict, model: type[Section]) -> str:
    """One of pydantic's errors in the terms of the file: `train.epochs: should be greater than 0, found -1`."""
    location = list(problem["loc"])
    while location and isinstance(location[-1], int):  # which entry of a list, which the value found shows
        location.pop()
    name, value = plain(".".join(map(str, location))), problem["input"]
    if problem["type"] == "missing":
        return f"{name} is missing"
    if problem["type"] == "extra_forbidden":
        return f"{name} is unknown{nearest(str(location[-1]), list(_model_at(location[:-1], model).model_fields))}"
    message = problem["msg"].removeprefix("Value error, ").replace("a valid tuple", "a list")
    if problem["type"] == "model_type":
        message = f"should have the keys {', '.join(_model_at(location, model).model_fields)}"
    if not name:
        return message
    hint = ""
    if problem["type"] == "literal_error" and isinstance(value, str):
        nearest_value = nearest(value.lower(), re.findall("'(.*?)'", message))
        hint = nearest_value if "did you" in nearest_value else ""
    is_whole_section = problem["type"] == "value_error" and isinstance(value, dict)
    found = "" if is_whole_section else f", found {plain(_shown(value))}{hint}"
    return f"{name}: {message[0].lower()}{message[1:]}{found}"


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
