"""Stages of a dvc.yaml by name, those of a `foreach` one by one: `export@tflite` of the stage `export`."""

import re
from collections.abc import Mapping
from typing import Any

from apparel.utils.nested import flatten


def read_stages(pipeline: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The stages of a dvc.yaml as DVC has them, in their order.

    Args:
        pipeline: the content of the file.
        parameters: the sections of params.yaml, whose lists `foreach` names, as in `${export.formats}`.
    """
    values = flatten(parameters)
    stages: dict[str, dict[str, Any]] = {}
    for name, stage in (pipeline.get("stages") or {}).items():
        if "foreach" not in stage:
            stages[name] = stage
            continue
        for item in values.get(stage["foreach"].removeprefix("${").removesuffix("}").strip()) or ():
            stages[f"{name}@{item}"] = _filled(stage["do"], str(item))
    return stages


def _filled(value: Any, item: str) -> Any:
    """`value` with each `${item}` in it replaced."""
    match value:
        case str():
            return re.sub(r"\$\{\s*item\s*\}", item, value)
        case list():
            return [_filled(entry, item) for entry in value]
        case dict():
            return {_filled(key, item): _filled(entry, item) for key, entry in value.items()}
    return value
