"""Search space of a sweep: ranges for keys of params.yaml, checked against it, and values drawn from them."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from apparel import params
from apparel.errors import UserError, nearest
from apparel.sweeps.config import Range, SweepConfig
from apparel.utils import files, nested, yaml

if TYPE_CHECKING:
    from optuna import Trial

Values = dict[str, Any]
"""Values by dotted key of params.yaml, such as `train.batch_size`."""


@dataclass(frozen=True)
class SearchSpace:
    """The searched keys with their ranges, each of which includes the value of params.yaml.

    Attributes:
        base: values of all keys of params.yaml, with those that the sweep fixes.
        ranges: by searched key, in the order in which they are drawn; the first whose condition holds applies.
        notes: what was added to the ranges, for the user.
    """

    base: Values
    ranges: dict[str, tuple[Range, ...]]
    notes: list[str] = field(default_factory=list)

    @property
    def initial_values(self) -> Values:
        """The searched keys as params.yaml has them: the values of the first trial."""
        return {key: self.base[key] for key in self.ranges}

    def suggest(self, trial: "Trial") -> Values:
        """Draws a value for each key; a key is left out, and keeps its base value, when no range of it applies."""
        values: Values = {}
        for key in self.ranges:
            applying = self.applying_range(key, values)
            if applying is not None:
                values[key] = _suggest(trial, parameter_name(key, applying), applying)
        return values

    def to_optuna(self, values: Values) -> Values:
        """The values by the names of their parameters in Optuna."""
        named: Values = {}
        for key, value in values.items():
            applying = self.applying_range(key, values)
            if applying is not None:
                named[parameter_name(key, applying)] = value
        return named

    def grid(self) -> list[Values]:
        """All combinations, that of params.yaml first, without repetitions.

        Raises:
            UserError: a range is continuous.
        """
        points: list[Values] = [{}]
        for key in self.ranges:
            points = [point | extra for point in points for extra in self._grid_values(key, point)]
        initial = self.initial_values
        first = {key: value for key, value in initial.items() if self.applying_range(key, initial)}
        return [first] + [point for point in points if point != first]

    def applying_range(self, key: str, values: Values) -> Range | None:
        """The first range of the key whose condition holds for the values drawn so far."""
        return next((range_ for range_ in self.ranges[key] if _condition_holds(range_, self.base | values)), None)

    def _grid_values(self, key: str, point: Values) -> list[Values]:
        applying = self.applying_range(key, point)
        if applying is None:
            return [{}]
        if applying.float is not None:
            raise UserError(f"space.{key}: a grid takes `choice` or `int`, not `float`; list the values as `choice`")
        values = applying.choice if applying.choice is not None else range(applying.int[0], applying.int[1] + 1)
        return [{key: value} for value in values]


def build(config: SweepConfig, current: dict[str, dict[str, Any]], where: str) -> SearchSpace:
    """The search space of a sweep, extended by the values of params.yaml.

    Args:
        config: the sweep's configuration.
        current: params.yaml as nested plain values, which are valid.
        where: the configuration's file, for messages.

    Raises:
        UserError: a key is unknown, or a range is contradictory or has a value that params.yaml does not allow.
    """
    flat = nested.flatten(current)
    for key in [*config.fixed, *config.space]:
        check_key(key, flat, where)
    for key in config.fixed.keys() & config.space.keys():
        raise UserError(f"{where}: {key} is both fixed and in the space; leave out one")
    base = flat | config.fixed
    _check_values(base, f"{where}: fixed")
    _check_conditions(config.space, flat, where)
    space = SearchSpace(base, config.space)
    for key in space.ranges:
        space = _include_base_value(space, key, where)
    for key, ranges in space.ranges.items():
        for range_ in ranges:
            for value in _extremes(range_):
                _check_values(base | _first_values(range_.when) | {key: value}, f"{where}: space.{key}")
    return space


def check_key(key: str, flat: Values, where: str) -> None:
    """Raises a `UserError` with the nearest name if params.yaml does not have the key."""
    if key not in flat:
        raise UserError(f"{where}: params.yaml has no key '{key}'{nearest(key, list(flat))}")


def parameter_name(key: str, range_: Range) -> str:
    """Name of the key's parameter in Optuna: a conditional range is a parameter of its own, since bounds are fixed."""
    return "|".join([key, *(f"{other}={value}" for other, value in range_.when.items())])


def write_params(path: Path, values: Values) -> None:
    """Writes values into a params.yaml; comments and all other lines stay."""
    files.write_text(path, yaml.edit(path.read_text(encoding="utf-8"), nested.nest(values)))


def _condition_holds(range_: Range, values: Values) -> bool:
    return all(values[key] in _as_list(wanted) for key, wanted in range_.when.items())


def _suggest(trial: "Trial", name: str, range_: Range) -> Any:
    if range_.choice is not None:
        return trial.suggest_categorical(name, range_.choice)
    if range_.int is not None:
        return trial.suggest_int(name, *range_.int, log=range_.log)
    return trial.suggest_float(name, *range_.float, log=range_.log)


def _include_base_value(space: SearchSpace, key: str, where: str) -> SearchSpace:
    """Widens the range that applies to the base values, if it lacks the key's own: the first trial needs it."""
    applying = space.applying_range(key, {})
    wider = {} if applying is None else _widened(applying, key, space.base[key], where)
    if not wider:
        return space
    note = f"{parameter_name(key, applying)} includes {space.base[key]!r} as well, the value in params.yaml"
    ranges = tuple(range_.model_copy(update=wider) if range_ is applying else range_ for range_ in space.ranges[key])
    return SearchSpace(space.base, space.ranges | {key: ranges}, [*space.notes, note])


def _widened(range_: Range, key: str, value: Any, where: str) -> dict[str, tuple]:
    """The bounds or choices of the range with the value; empty if it has the value already."""
    if range_.choice is not None:
        return {} if _contains(range_.choice, value) else {"choice": (value, *range_.choice)}
    if isinstance(value, bool) or not isinstance(value, int if range_.int is not None else int | float):
        raise UserError(f"{where}: space.{key} is a range of numbers, but params.yaml has {value!r}; use `choice`")
    if range_.log and value <= 0:
        raise UserError(f"{where}: space.{key} is logarithmic, but params.yaml has {value!r}")
    kind = "int" if range_.int is not None else "float"
    low, high = getattr(range_, kind)
    return {} if low <= value <= high else {kind: (min(low, value), max(high, value))}


def _check_conditions(space: dict[str, tuple[Range, ...]], flat: Values, where: str) -> None:
    """Raises a `UserError` for a condition on an unknown key, or on one that is drawn later."""
    drawn: list[str] = []
    for key, ranges in space.items():
        for other in (other for range_ in ranges for other in range_.when):
            check_key(other, flat, f"{where}: space.{key}: when")
            if other in space and other not in drawn:
                raise UserError(f"{where}: space.{key} has a condition on {other}: list {other} above it")
        drawn.append(key)


def _check_values(values: Values, where: str) -> None:
    params.parse(nested.nest(values), where)


def _extremes(range_: Range) -> tuple[Any, ...]:
    return range_.choice or range_.int or range_.float or ()


def _first_values(when: Values) -> Values:
    return {key: _as_list(wanted)[0] for key, wanted in when.items()}


def _as_list(wanted: Any) -> list[Any]:
    return wanted if isinstance(wanted, list) else [wanted]


def _contains(choices: tuple[Any, ...], value: Any) -> bool:
    """Whether the value is among the choices; True and 1 are two values."""
    return any(value == choice and isinstance(value, bool) == isinstance(choice, bool) for choice in choices)
