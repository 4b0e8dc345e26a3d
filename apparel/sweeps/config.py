"""`configs/sweep.yaml`, checked: which keys are searched in which ranges, for what, how, and for how long."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from apparel import params
from apparel.params import Count, Name, Section, Seed
from apparel.utils import yaml

LATENCY = "latency"
"""The objective that is no metric of val: milliseconds that the trained model takes for a photo."""

Scalar = bool | int | float | str | None
Floats, Ints = tuple[float, float], tuple[int, int]


class Objective(Section):
    """What a trial is judged by: `latency`, or a metric of val as train measured it."""

    metric: Annotated[str, Field(pattern=r"^(val/.+|latency)$")]
    direction: Literal["maximize", "minimize"]


class Sampler(Section):
    """How values are drawn; TPE learns from the trials before and knows of those still running."""

    kind: Literal["tpe", "random", "grid"] = "tpe"
    seed: Seed = 0


class Pruner(Section):
    """When a training is stopped before its end.

    The median pruner lets the first `after_trials` trials through, and of each trial the first `after_validations`
    validations; hyperband has a rule of its own for both.
    """

    kind: Literal["median", "hyperband", "none"] = "median"
    after_trials: Annotated[int, Field(ge=0)] = 4
    after_validations: Annotated[int, Field(ge=0)] = 1


class Budget(Section):
    """How long: so many trials, no new trial after so many minutes, or whichever comes first."""

    trials: Count | None = None
    minutes: Annotated[float, Field(gt=0)] | None = None


class Range(Section):
    """Where a value comes from: one of `choice`, `float` and `int`; `when` says under which values of other keys."""

    when: dict[str, Any] = Field(default_factory=dict)
    choice: Annotated[tuple[Scalar, ...], Field(min_length=1)] | None = None
    float: Floats | None = None
    int: Ints | None = None
    log: bool = False

    @field_validator("choice", "float", "int", mode="before")
    @classmethod
    def _list(cls, value: Any) -> Any:
        return tuple(value) if isinstance(value, list) else value

    @model_validator(mode="after")
    def _one_kind_the_right_way_up(self) -> "Range":
        kinds = [kind for kind in (self.choice, self.float, self.int) if kind is not None]
        if len(kinds) != 1:
            raise ValueError("give one of choice, float and int")
        if self.choice is not None:
            if self.log:
                raise ValueError("log goes with float and int")
            if len({(type(value), value) for value in self.choice}) < len(self.choice):
                raise ValueError("a choice is listed twice")
        elif kinds[0][0] > kinds[0][1]:
            raise ValueError(f"the range is upside down: {kinds[0][0]} to {kinds[0][1]}")
        elif self.log and kinds[0][0] <= 0:
            raise ValueError("a logarithmic range starts above 0")
        return self


class Settings(Section):
    """The whole file."""

    study: Name
    objectives: Annotated[tuple[Objective, ...], Field(min_length=1, max_length=2)] = (
        Objective(metric="val/mAP50", direction="maximize"),
    )
    sampler: Sampler = Sampler()
    pruner: Pruner = Pruner()
    budget: Budget
    fixed: dict[str, Any] = Field(default_factory=dict)
    space: Annotated[dict[str, tuple[Range, ...]], Field(min_length=1)]

    @field_validator("objectives", mode="before")
    @classmethod
    def _list(cls, value: Any) -> Any:
        return tuple(value) if isinstance(value, list) else value

    @field_validator("space", mode="before")
    @classmethod
    def _ranges(cls, value: Any) -> Any:
        """A key has one range, or a list of which the first whose condition is met counts."""
        if not isinstance(value, dict):
            return value
        return {key: tuple(found) if isinstance(found, list) else (found,) for key, found in value.items()}

    @model_validator(mode="after")
    def _some_end(self) -> "Settings":
        if self.budget.trials is None and self.budget.minutes is None and self.sampler.kind != "grid":
            raise ValueError("budget: give trials, minutes or both")
        if len({objective.metric for objective in self.objectives}) < len(self.objectives):
            raise ValueError("objectives: two of the same metric")
        return self

    @property
    def prunes(self) -> bool:
        """Whether trials may end early: Optuna can't say which of two objectives that should be judged by."""
        first = self.objectives[0].metric
        return self.pruner.kind != "none" and len(self.objectives) == 1 and first != LATENCY


def load(path: Path) -> Settings:
    """Reads a sweep file.

    Raises:
        UserError: it is missing or not YAML, or a key is unknown, missing, ill-typed or makes no sense; names it.
    """
    return parse(yaml.load(path, "name another with --config"), str(path))


def parse(values: Any, where: str) -> Settings:
    """Turns plain nested values into settings; raises a `UserError` that names each wrong key."""
    return params.parse(values, where, Settings)
