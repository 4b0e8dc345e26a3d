"""What a sweep searches: `configs/sweep.yaml` checked against params.yaml, and trials' values drawn from it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from apparel import params
from apparel.errors import UserError, nearest
from apparel.sweeps.config import Range, Settings
from apparel.utils import files, yaml

if TYPE_CHECKING:
    from optuna import Trial

Values = dict[str, Any]
"""Values by dotted key of params.yaml."""


@dataclass(frozen=True)
class Space:
    """The searched keys with their ranges, each of which holds today's value.

    `base` has every key of params.yaml, with what the sweep fixes; `notes` says what was added to the ranges.
    """

    base: Values
    ranges: dict[str, tuple[Range, ...]]
    notes: list[str] = field(default_factory=list)

    @property
    def start(self) -> Values:
        """What the first trial sets: today's values."""
        return {key: self.base[key] for key in self.ranges}

    def suggest(self, trial: "Trial") -> Values:
        """Draws a value for each key; one whose ranges all need another condition keeps today's."""
        chosen: Values = {}
        for key in self.ranges:
            found = self._range(key, chosen)
            if found is not None:
                chosen[key] = _suggest(trial, name(key, found), found)
        return chosen

    def names(self, values: Values) -> Values:
        """The same values by the names that Optuna has them under."""
        chosen: Values = {}
        for key, value in values.items():
            found = self._range(key, values)
            if found is not None:
                chosen[name(key, found)] = value
        return chosen

    def grid(self) -> list[Values]:
        """Every combination, today's first, each once.

        Raises:
            UserError: a range is continuous, or wider than a grid should be.
        """
        found: list[Values] = [{}]
        for key in self.ranges:
            found = [known | extra for known in found for extra in self._points(key, known)]
        first = {key: value for key, value in self.start.items() if self._range(key, self.start)}
        return [first] + [values for values in found if values != first]

    def _points(self, key: str, known: Values) -> list[Values]:
        found = self._range(key, known)
        if found is None:
            return [{}]
        if found.float is not None:
            raise UserError(f"space.{key}: a grid takes `choice` or `int`, not `float`; list the values as `choice`")
        points = found.choice if found.choice is not None else range(found.int[0], found.int[1] + 1)
        return [{key: value} for value in points]

    def _range(self, key: str, chosen: Values) -> Range | None:
        return next((each for each in self.ranges[key] if holds(each, self.base | chosen)), None)


def build(settings: Settings, today: dict[str, dict[str, Any]], where: str) -> Space:
    """The space that the settings describe, around today's params.yaml.

    Args:
        settings: the checked file.
        today: params.yaml as nested plain values, which passed its own check.
        where: the file's name, for messages.

    Raises:
        UserError: a key is unknown, a range excludes itself, or holds a value that params.yaml could not; names it.
    """
    flat = params.flatten(today)
    for key in [*settings.fixed, *settings.space]:
        check_key(key, flat, where)
    for key in settings.fixed.keys() & settings.space.keys():
        raise UserError(f"{where}: {key} is both fixed and in the space; leave out one")
    base = flat | settings.fixed
    _check_values(base, f"{where}: fixed")
    _check_order(settings.space, flat, where)
    space = Space(base, settings.space)
    for key in space.ranges:
        space = _with_today(space, key, where)
    for key, ranges in space.ranges.items():
        for each in ranges:
            for value in _extremes(each):
                _check_values(base | _first_values(each.when) | {key: value}, f"{where}: space.{key}")
    return space


def check_key(key: str, flat: Values, where: str) -> None:
    """Raises a `UserError` with the nearest name for a key that params.yaml does not have."""
    if key not in flat:
        raise UserError(f"{where}: params.yaml has no key '{key}'{nearest(key, list(flat))}")


def name(key: str, found: Range) -> str:
    """What Optuna calls the key: one that is drawn otherwise under a condition has a name of its own there."""
    return "|".join([key, *(f"{other}={value}" for other, value in found.when.items())])


def holds(found: Range, values: Values) -> bool:
    """Whether the range's condition is met."""
    return all(values[key] in _listed(wanted) for key, wanted in found.when.items())


def write(path: Path, values: Values) -> None:
    """Puts values into a params.yaml and leaves its comments and all other lines as they are."""
    files.write_text(path, yaml.edit(path.read_text(encoding="utf-8"), params.nest(values)))


def _suggest(trial: "Trial", named: str, found: Range) -> Any:
    if found.choice is not None:
        return trial.suggest_categorical(named, found.choice)
    if found.int is not None:
        return trial.suggest_int(named, *found.int, log=found.log)
    return trial.suggest_float(named, *found.float, log=found.log)


def _with_today(space: Space, key: str, where: str) -> Space:
    """The space with today's value in the range that holds for it today, widened where it lacks it."""
    found = space._range(key, {})
    if found is None:
        return space
    value = space.base[key]
    if found.choice is not None:
        wider = {} if _among(value, found.choice) else {"choice": (value, *found.choice)}
    elif isinstance(value, bool) or not isinstance(value, int if found.int is not None else int | float):
        raise UserError(f"{where}: space.{key} is a range of numbers, but params.yaml has {value!r}; use `choice`")
    elif found.log and value <= 0:
        raise UserError(f"{where}: space.{key} is logarithmic, but params.yaml has {value!r}")
    else:
        kind = "int" if found.int is not None else "float"
        low, high = getattr(found, kind)
        wider = {} if low <= value <= high else {kind: (min(low, value), max(high, value))}
    if not wider:
        return space
    note = f"{name(key, found)} takes {value!r} as well, which params.yaml has today"
    ranges = tuple(each.model_copy(update=wider) if each is found else each for each in space.ranges[key])
    return Space(space.base, space.ranges | {key: ranges}, [*space.notes, note])


def _check_order(space: dict[str, tuple[Range, ...]], flat: Values, where: str) -> None:
    """A condition looks at keys that were drawn before."""
    drawn: list[str] = []
    for key, ranges in space.items():
        for other in (other for each in ranges for other in each.when):
            check_key(other, flat, f"{where}: space.{key}: when")
            if other in space and other not in drawn:
                raise UserError(f"{where}: space.{key} has a condition on {other}: list {other} above it")
        drawn.append(key)


def _check_values(values: Values, where: str) -> None:
    params.parse(params.nest(values), where)


def _extremes(found: Range) -> tuple[Any, ...]:
    return found.choice or found.int or found.float or ()


def _first_values(when: Values) -> Values:
    return {key: _listed(wanted)[0] for key, wanted in when.items()}


def _listed(wanted: Any) -> list[Any]:
    return wanted if isinstance(wanted, list) else [wanted]


def _among(value: Any, choices: tuple[Any, ...]) -> bool:
    """True and 1 are two values here."""
    return any(value == choice and isinstance(value, bool) == isinstance(choice, bool) for choice in choices)
