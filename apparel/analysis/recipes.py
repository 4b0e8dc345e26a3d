"""Recipes: experiments as files of parameters in configs/experiments, and the DVC command that runs one."""

import difflib
import re
from pathlib import Path
from typing import Any

from pydantic import Field

from apparel import params, paths
from apparel.errors import UserError, nearest
from apparel.utils import nested
from apparel.utils.sections import Section

FOLDER = paths.CONFIGS / "experiments"

PLAIN_TEXT = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*")
"""Text that Hydra's grammar reads as text without quotes, but for `RESERVED`."""

RESERVED = {"null", "true", "false", "nan", "inf"}
"""Words, in any case, that Hydra's grammar reads as other values."""

Values = dict[str, dict[str, Any]]
"""Sections of params.yaml, each with some of its keys."""


class Recipe(Section):
    """One file: what the experiment is, how long it takes, what to expect, and its values for params.yaml.

    `imports` has, by folder of a data set or of starting weights, the command that imports it.
    """

    about: str
    takes: str
    expect: str
    imports: dict[str, str] = Field(default_factory=dict)
    params: Values


def names() -> list[str]:
    """The recipes in configs/experiments, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load(name: str) -> Recipe:
    """Reads a recipe.

    Raises:
        UserError: there is no such recipe (names the nearest and lists all), or its file is not a valid recipe.
    """
    if "=" in name:
        raise UserError(f"{name!r} is no recipe; a value of params.yaml is given as -S {name}")
    if name not in names():
        hint = nearest(name, names())
        every = f" Recipes: {', '.join(names())}" if "did you" in hint else ""
        raise UserError(f"there is no recipe '{name}' in {FOLDER.as_posix()}{hint}{every}")
    return params.load(path(name), Recipe)


def path(name: str) -> Path:
    """The file of a recipe."""
    return FOLDER / f"{name}.yaml"


def parse_overrides(overrides: list[str]) -> Values:
    """Values from `section.key=value`, read by the grammar of `dvc exp run -S`, which is Hydra's.

    Raises:
        UserError: one is not of that form, gives several values, or names no key of params.yaml (names the nearest).
    """
    from dvc.utils.hydra import to_hydra_overrides
    from hydra.errors import HydraException

    values: Values = {}
    for text in overrides:
        try:
            (override,) = to_hydra_overrides([text])
        except HydraException:
            raise UserError(f"-S {text}: expected section.key=value, such as train.epochs=10") from None
        if override.is_sweep_override():
            raise UserError(f"-S {text}: one value a key; a list is [a,b], and `apparel sweep` tries several values")
        if override.is_delete() or override.is_add() or not override.key_or_group:
            raise UserError(f"-S {text}: expected section.key=value with a key of params.yaml")
        if (name := override.key_or_group) not in params.KEYS:
            raise UserError(f"-S {text}: params.yaml has no '{name}'{nearest_key(name)}")
        section, _, key = name.partition(".")
        values.setdefault(section, {})[key] = override.value()
    return values


def nearest_key(name: str) -> str:
    """A hint at the key of params.yaml that `name` may stand for: `train.epochs` for `train.epoch`, `tran.epochs`,
    `split.epochs` and `epochs`; all keys of a section for its name, or where none is close."""
    section, _, key = name.rpartition(".")
    by_key: dict[str, list[str]] = {}
    for known in params.KEYS:
        by_key.setdefault(known.partition(".")[2], []).append(known)
    own = [known.partition(".")[2] for known in params.KEYS if known.startswith(f"{section}.")]
    matches = difflib.get_close_matches(key, own, n=1) or difflib.get_close_matches(key, by_key, n=1)
    if name not in params.Params.model_fields and matches:
        found = by_key[matches[0]]
        close = difflib.get_close_matches(name, found, n=1) if section else found
        return f"; did you mean {' or '.join(close or found)}?"
    section = name if name in params.Params.model_fields else section
    below = [known for known in params.KEYS if known.startswith(f"{section}.")]
    return f"; valid are {', '.join(below or params.Params.model_fields)}"


def merge(base: Values, changes: Values) -> Values:
    """`base` with the keys of `changes` added or replaced."""
    return base | {section: base.get(section, {}) | keys for section, keys in changes.items()}


def apply_values(base: Values, changes: Values, where: str) -> params.Params:
    """The whole of params.yaml with these changes; `where` says in errors where they were given.

    Raises:
        UserError: a key is unknown (names the nearest), or a value is not allowed.
    """
    return params.parse(merge(base, changes), where)


def dvc_command(name: str | None, values: Values, force: bool = False, isolated: bool = False) -> list[str]:
    """The words of the DVC command: `dvc exp run` where a name or values are given, else `dvc repro`.

    An `isolated` one runs in a copy of the project, `dvc exp run --temp`.
    """
    if name is None and not values and not isolated:
        return ["dvc", "repro", *(["--force"] if force else [])]
    named = ["-n", name] if name else []
    flags = [*(["--temp"] if isolated else []), *(["--force"] if force else [])]
    pairs = [f"{key}={_text(value)}" for key, value in nested.flatten(values).items()]
    options = [word for pair in pairs for word in ("-S", pair)]
    return ["dvc", "exp", "run", *named, *flags, *options]


def _text(value: Any) -> str:
    """A value in Hydra's grammar."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list | tuple):
        return f"[{','.join(map(_text, value))}]"
    if not isinstance(value, str):
        return repr(value)
    if PLAIN_TEXT.fullmatch(value) and value.lower() not in RESERVED:
        return value
    from hydra.core.override_parser.types import Quote, QuotedString

    return QuotedString(text=value, quote=Quote.single).with_quotes()
