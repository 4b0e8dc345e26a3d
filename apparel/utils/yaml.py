"""YAML files: one reader with one form of error, and edits that keep comments and layout."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from io import StringIO
from pathlib import Path
from typing import Any

from apparel.errors import UserError, one_line
from apparel.utils import limits, nested


def load(path: Path, if_missing: str = "") -> Any:
    """Reads a file as plain values: YAML 1.2, no tags that construct objects; None when it is empty.

    Raises:
        UserError: there is no such file, and `if_missing` says what to do; or it is too large, not UTF-8 or not YAML.
    """
    try:
        content = limits.read_bytes(path, limits.MAX_YAML_BYTES)
    except (FileNotFoundError, IsADirectoryError):
        raise UserError(f"{path} not found{if_missing and f'; {if_missing}'}") from None
    return parse(content, str(path))


def parse(content: bytes | str, name: str) -> Any:
    """Reads a text as plain values, as `load` does; `name` is what an error calls it.

    Raises:
        UserError: it is not UTF-8 or not YAML, or nests deeper than a file of a person or of DVC.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.composer import MaxDepthExceededError
    from ruamel.yaml.error import YAMLError

    try:
        text = content.decode("utf-8") if isinstance(content, bytes) else content
        # `pure`: the extension in C, which DVC reads by, words its errors otherwise, and counts no lines of aliases.
        yaml = YAML(typ="safe", pure=True)
        yaml.max_depth = limits.MAX_YAML_DEPTH
        if "*" in text:
            values, depth = _written_out(yaml.compose(text), {})
            if values > limits.MAX_YAML_VALUES:
                raise UserError(
                    f"{name}: its aliases stand for more than {limits.MAX_YAML_VALUES:,} values; write them out"
                )
            if depth > limits.MAX_YAML_DEPTH:
                raise UserError(_too_deep(f"{name}: its aliases nest"))
        return yaml.load(text)
    except MaxDepthExceededError as error:
        raise UserError(_too_deep(f"{name}, line {error.problem_mark.line + 1}: lists and keys nest")) from None
    except (YAMLError, ValueError, RecursionError) as error:
        raise UserError(f"{name} is not valid YAML: {one_line(error)}") from None


class Lines:
    """Finds the lines of a file that `load` reads; it is read for the first that is asked for, as in an error."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, keys: Sequence[str | int]) -> int | None:
        """The line, from 1, on which the value below these keys and numbers of entries begins; None if not known."""
        node = self._document
        for key in keys:
            found = getattr(node, "value", None)
            if not isinstance(found, list):
                return None
            if found and isinstance(found[0], tuple):
                found = {name.value: value for name, value in found if isinstance(name.value, str)}
            node = nested.at(found, [key])
        return node.start_mark.line + 1 if node is not None else None

    @cached_property
    def _document(self) -> Any:
        from ruamel.yaml import YAML

        return YAML(typ="safe", pure=True).compose(self.path.read_text(encoding="utf-8"))


def edit(text: str, changes: Mapping[str, Mapping[str, Any]]) -> str:
    """A text of sections with some of their values changed; comments and all other lines stay as they are.

    Raises:
        KeyError: the text has no such section.
    """
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096  # no line is folded
    yaml.representer.add_representer(
        type(None), lambda made, _: made.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    document = yaml.load(text)
    for section, values in changes.items():
        document[section].update(values)
    changed = StringIO()
    yaml.dump(document, changed)
    return changed.getvalue()


def _too_deep(what: str) -> str:
    return f"{what} more than {limits.MAX_YAML_DEPTH} levels deep; no file of this project needs ten"


def _written_out(node: Any, counted: dict[int, tuple[int, int]]) -> tuple[int, int]:
    """How many values a node of a document stands for, and how deep they nest, with what aliases stand for in place.

    Raises:
        ValueError: a node is in itself.
    """
    if id(node) not in counted:
        counted[id(node)] = -1, 0
        values = node.value if node is not None and isinstance(node.value, list) else []
        members = [member for value in values for member in (value if isinstance(value, tuple) else (value,))]
        below = [_written_out(member, counted) for member in members]
        counted[id(node)] = 1 + sum(count for count, _ in below), 1 + max((depth for _, depth in below), default=0)
    if counted[id(node)][0] < 0:
        raise ValueError("an alias stands for what it is in")
    return counted[id(node)]
