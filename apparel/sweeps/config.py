"""Configuration of a sweep, `configs/sweep.yaml`: search space, objectives, sampler, pruner and budget, validated."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from apparel import params
from apparel.params import Count, Name, Seed
from apparel.utils import yaml
from apparel.utils.sections import Section

LATENCY = "latency"
"""The objective that is not a metric of val: milliseconds that the trained model takes for a photo."""

Scalar = bool | int | float | str | None
Floats, Ints = tuple[float, float], tuple[int, int]


class Objective(Section):
    """What a trial is judged by: `latency`, or a metric of val that train measures."""

    metric: Annotated[str, Field(pattern=r"^(val/.+|latency)$")]
    direction: Literal["maximize", "minimize"]


class Sampler(Section):
    """How values are drawn; TPE learns from earlier trials and takes running ones into account."""

    kind: Literal["tpe", "random", "grid"] = "tpe"
    seed: Seed = 0


class Pruner(Section):
    """When a trial is stopped before its end.

    The median pruner never stops the first `after_trials` trials, nor a trial in its first `after_validations`
    validations. Hyperband has its own rule for both. Wilcoxon, for cross-validation, stops a trial whose folds are
    worse than those of the best trial with a p-value below `p`.
    """

    kind: Literal["median", "hyperband", "wilcoxon", "none"] = "median"
    after_trials: Annotated[int, Field(ge=0)] = 4
    after_validations: Annotated[int, Field(ge=0)] = 1
    p: Annotated[float, Field(gt=0, lt=1)] = 0.1


class Budget(Section):
    """Limit of the study: its number of trials, minutes after which no new trial begins, or whichever comes first."""

    trials: Count | None = None
    minutes: Annotated[float, Field(gt=0)] | None = None


class Range(Section):
    """Values that a key can take: one of `choice`, `float` and `int`, bounds included.

    `when` makes the range conditional: it applies if each key in it has the value, or one of the values, given there.
    Optuna's conditional parameters are Python code (define-by-run); here they are part of the file, such as a smaller
    batch at 512 pixels, which otherwise does not fit into memory.
    """

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
    def _validate_range(self) -> "Range":
        kinds = [kind for kind in (self.choice, self.float, self.int) if kind is not None]
        if len(kinds) != 1:
            raise ValueError("give one of choice, float and int")
        if self.choice is not None:
            if self.log:
                raise ValueError("log goes with float and int")
            if len({(type(value), value) for value in self.choice}) < len(self.choice):
                raise ValueError("a choice is listed twice")
        elif kinds[0][0] > kinds[0][1]:
            raise ValueError(f"the lower bound is above the upper one: {kinds[0][0]} to {kinds[0][1]}")
        elif self.log and kinds[0][0] <= 0:
            raise ValueError("a logarithmic range starts above 0")
        return self


class SweepConfig(Section):
    """The whole file; `fixed` has keys of params.yaml that hold in every trial.

    `objective` says on what the metric is measured: `val`, or `crossval`, the mean over so many `folds`.
    """

    study: Name
    objective: Literal["val", "crossval"] = "val"
    folds: Annotated[int, Field(ge=2)] = 5
    objectives: Annotated[tuple[Objective, ...], Field(min_length=1, max_length=2)] = (
        Objective(metric="val/mAP50", direction="maximize"),
    )
    sampler: Sampler = Sampler()
    pruner: Pruner = Pruner()
    budget: Budget
    fixed: dict[str, Any] = Field(default_factory=dict)
    space: Annotated[dict[str, tuple[Range, ...]], Field(min_length=1)]

    @model_validator(mode="before")
    @classmethod
    def _pruner_of_folds(cls, values: Any) -> Any:
        """Cross-validation is pruned by its own rule, unless another is asked for."""
        if not isinstance(values, dict) or values.get("objective") != "crossval":
            return values
        pruner = values.get("pruner", {})
        return values | {"pruner": {"kind": "wilcoxon"} | pruner} if isinstance(pruner, dict) else values

    @field_validator("objectives", mode="before")
    @classmethod
    def _list(cls, value: Any) -> Any:
        return tuple(value) if isinstance(value, list) else value

    @field_validator("space", mode="before")
    @classmethod
    def _ranges(cls, value: Any) -> Any:
        """One range, or a list of which the first one applies whose condition holds."""
        if not isinstance(value, dict):
            return value
        return {key: tuple(ranges) if isinstance(ranges, list) else (ranges,) for key, ranges in value.items()}

    @model_validator(mode="after")
    def _validate_limits(self) -> "SweepConfig":
        if self.budget.trials is None and self.budget.minutes is None and self.sampler.kind != "grid":
            raise ValueError("budget: give trials, minutes or both")
        if len({objective.metric for objective in self.objectives}) < len(self.objectives):
            raise ValueError("objectives: two of the same metric")
        if "split.fold" in (*self.fixed, *self.space):
            raise ValueError("split.fold is what `objective: crossval` sets for each training; leave it out")
        if (self.objective == "crossval") != (self.pruner.kind == "wilcoxon") and self.pruner.kind != "none":
            raise ValueError("pruner: wilcoxon is for `objective: crossval`, and median and hyperband are for val")
        if self.objective == "crossval" and [each.metric for each in self.objectives if each.metric == LATENCY]:
            raise ValueError("objectives: latency has no folds")
        if self.objective == "crossval" and len(self.objectives) > 1:
            raise ValueError("objectives: one goes with `objective: crossval`")
        return self

    @property
    def can_prune(self) -> bool:
        """Whether trials may be pruned: not by latency, which has no value before the end, nor by two objectives.

        Optuna's pruners refuse studies of several objectives.
        """
        first = self.objectives[0].metric
        return self.pruner.kind != "none" and len(self.objectives) == 1 and first != LATENCY


def load_config(path: Path) -> SweepConfig:
    """Reads and validates the file.

    Raises:
        UserError: the file is missing or not YAML, or a key is unknown, missing or has a wrong value; names the key.
    """
    return params.parse(yaml.load(path, "name another with --config"), str(path), SweepConfig, yaml.Lines(path))


def parse_config(values: Any, where: str) -> SweepConfig:
    """Validates plain nested values; raises a `UserError` that names each wrong key and `where` it is."""
    return params.parse(values, where, SweepConfig)
