"""Files of ensembles: `configs/ensembles/<name>.yaml` names the members, a file beside it has their thresholds."""

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from apparel import params, paths
from apparel.errors import UserError
from apparel.inference.fusion import IOU
from apparel.models.thresholds import MAX_BYTES, Thresholds
from apparel.utils import files, limits, yaml
from apparel.utils.sections import Section

FOLDER = paths.CONFIGS / "ensembles"

SECTION = re.compile(r"^fusion:.*(?:\n[ \t].*)*", re.MULTILINE)
"""The section `fusion` of a file: its line and the indented ones below."""

MIN_WEIGHT, MAX_WEIGHT = 0.001, 1_000
"""Weights that a file may have; scores of shares far below a thousandth would vanish in float32."""


class Member(Section):
    """A model: `mirrored` adds a second view, of the photo with left and right exchanged; both share its weight.

    `resolution` is another input in pixels than the one that the model was trained for.
    """

    model: Annotated[str, Field(min_length=1)]
    mirrored: bool = False
    resolution: Annotated[int, Field(ge=33, le=4096)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _no_weight(cls, values: Any) -> Any:
        if isinstance(values, dict) and "weight" in values:
            raise ValueError("weights stand together, one a member in their order: `fusion: {weights: [2, 1]}`")
        return values

    @property
    def views(self) -> int:
        """How often the member looks at a photo."""
        return 1 + self.mirrored

    @property
    def label(self) -> str:
        """The model with what distinguishes it from other members of the same model."""
        size = "" if self.resolution is None else f" at {self.resolution}"
        return f"{self.model}{size}{' mirrored' * self.mirrored}"


class Fusion(Section):
    """What `apparel ensemble fit` chooses: the overlap above which boxes of a class are fused, a weight a member."""

    iou: Annotated[float, Field(gt=0, lt=1)] = IOU
    weights: tuple[Annotated[float, Field(ge=MIN_WEIGHT, le=MAX_WEIGHT)], ...] | None = None

    @field_validator("weights", mode="before")
    @classmethod
    def _list(cls, value: Any) -> Any:
        return tuple(value) if isinstance(value, list) else value


class EnsembleConfig(Section):
    """The whole file; no weights are equal ones."""

    members: Annotated[tuple[Member, ...], Field(min_length=1, max_length=20)]
    fusion: Fusion = Fusion()

    @field_validator("members", mode="before")
    @classmethod
    def _list(cls, value: Any) -> Any:
        return tuple(value) if isinstance(value, list) else value

    @model_validator(mode="after")
    def _validate_together(self) -> "EnsembleConfig":
        if self.fusion.weights is not None and len(self.fusion.weights) != len(self.members):
            raise ValueError(f"fusion.weights has {len(self.fusion.weights)} weights for {len(self.members)} members")
        if sum(member.views for member in self.members) < 2:
            raise ValueError("one member that looks once is no ensemble; add another, or `mirrored: true`")
        return self

    @property
    def shares(self) -> tuple[float, ...]:
        """The weights of the members, with the sum 1."""
        weights = self.fusion.weights or (1.0,) * len(self.members)
        return tuple(weight / sum(weights) for weight in weights)


def is_ensemble(path: Path) -> bool:
    """Whether a path is the file of an ensemble, by its name."""
    return path.suffix in (".yaml", ".yml")


def find(name: str) -> Path | None:
    """The file of the ensemble of that name; None if there is none."""
    path = FOLDER / f"{name}.yaml"
    return path if "/" not in name and "\\" not in name and path.is_file() else None


def find_path(name: str) -> Path | None:
    """The file of an ensemble, by its name or its path; None if there is none."""
    path = find(name) or Path(name)
    return path if is_ensemble(path) and path.is_file() else None


def read(path: Path) -> EnsembleConfig:
    """Reads the file of an ensemble.

    Raises:
        UserError: it is missing or no YAML, a key is unknown or a value not allowed; names each.
    """
    return params.load(path, EnsembleConfig)


def write_fusion(path: Path, fusion: Fusion) -> None:
    """Replaces the section `fusion` of a file, or adds it; all other lines stay as they are.

    Not by `yaml.edit`, which sets lists of members anew, with other indents.

    Raises:
        UserError: the section is written in a way that cannot be replaced.
    """
    section = f"fusion: {{iou: {fusion.iou}, weights: {list(fusion.weights or ())}}}"
    text = path.read_text(encoding="utf-8")
    changed, count = SECTION.subn(section, text)
    changed = changed if count else f"{text.rstrip()}\n{section}\n"
    expected = read(path).model_copy(update={"fusion": fusion})
    try:
        written = params.parse(yaml.parse(changed, str(path)), str(path), EnsembleConfig)
    except UserError:
        written = None
    if written != expected:
        raise UserError(f"{path}: its section fusion cannot be replaced; write this one yourself: {section}")
    files.write_text(path, changed)


def identity(config: EnsembleConfig, models: Sequence[str]) -> str:
    """A hash of what an ensemble detects with: the hash of each member's model, its weight and views, the overlap.

    Not the members' names: two may stand for one model, or one for another tomorrow.
    """
    members = [
        [model, round(share, 6), member.mirrored, member.resolution]
        for model, share, member in zip(models, config.shares, config.members, strict=True)
    ]
    return hashlib.md5(json.dumps([config.fusion.iou, members]).encode(), usedforsecurity=False).hexdigest()


def thresholds_file(path: Path) -> Path:
    """Where the thresholds of an ensemble lie, beside its file."""
    return path.with_suffix(".thresholds.json")


def write_thresholds(path: Path, ensemble: str, thresholds: Thresholds) -> Path:
    """Writes the thresholds of the ensemble with this identity; returns the file."""
    target = thresholds_file(path)
    files.write_json(target, {"ensemble": ensemble} | thresholds.plain())
    return target


def read_thresholds(path: Path, ensemble: str, classes: Sequence[str]) -> Thresholds | None:
    """The thresholds of the ensemble with this identity; None where there are none, or those of another.

    Raises:
        UserError: the file is damaged.
    """
    target = thresholds_file(path)
    if not target.is_file():
        return None
    try:
        values = json.loads(limits.read_bytes(target, MAX_BYTES))
        if values["ensemble"] != ensemble:
            return None
    except (ValueError, LookupError, TypeError, RecursionError):
        raise UserError(f"{target} is damaged; `apparel ensemble fit {path.stem}` writes it again") from None
    return Thresholds.from_plain(values, tuple(classes), str(target))
