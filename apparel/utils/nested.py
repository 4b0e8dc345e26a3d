"""Nested values, such as those of params.yaml, by dotted name, and back."""

from collections.abc import Mapping, Sequence
from typing import Any


def flatten(sections: Mapping[str, Any], join_lists: bool = False) -> dict[str, Any]:
    """Nested values by dotted name, such as `train.batch_size`; with `join_lists`, lists as text with commas.

    Raises:
        AttributeError: `sections` is no mapping.
    """
    flat: dict[str, Any] = {}
    for name, value in sections.items():
        if isinstance(value, Mapping):
            flat |= {f"{name}.{below}": leaf for below, leaf in flatten(value, join_lists).items()}
        elif join_lists and isinstance(value, list | tuple):
            flat[str(name)] = ",".join(map(str, value))
        else:
            flat[str(name)] = value
    return flat


def nest(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values by dotted name as nested sections: what `flatten` was given."""
    sections: dict[str, Any] = {}
    for name, value in values.items():
        *above, key = name.split(".")
        section = sections
        for part in above:
            section = section.setdefault(part, {})
        section[key] = value
    return sections


def at(values: Any, keys: Sequence[str | int]) -> Any:
    """The value below these keys of dictionaries and numbers of entries of lists; None where there is none."""
    for key in keys:
        try:
            values = values[key]
        except (LookupError, TypeError):
            return None
    return values
