"""The end of a sweep: its best parameters in params.yaml."""

import difflib
from pathlib import Path

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from apparel import paths
from apparel.errors import UserError
from apparel.sweeps import space, trials


def pick(study: Study, number: int | None) -> FrozenTrial:
    """The trial of that number, or the best one.

    Raises:
        UserError: it is not complete, none is, or two objectives leave several that are best.
    """
    found = study.get_trials(deepcopy=False)
    if number is not None:
        if not 0 <= number < len(found) or found[number].state != TrialState.COMPLETE:
            raise UserError(f"sweep {study.study_name} has no complete trial {number}")
        return found[number]
    best = trials.best(study)
    if not best:
        raise UserError(f"sweep {study.study_name} has no complete trial yet ({trials.counts(study)})")
    if len(best) > 1:
        numbers = ", ".join(str(trial.number) for trial in best)
        raise UserError(f"no other trial is better in both than each of {numbers}: name one, --finish {best[0].number}")
    return best[0]


def chosen(study: Study, trial: FrozenTrial) -> space.Values:
    """What the trial has for the keys that the sweep searched; what it fixed is no part of it."""
    found = trials.values(trial)
    return {key: found[key] for key in trials.keys(study) if key in found}


def difference(values: space.Values, path: Path = paths.PARAMS) -> str:
    """What `space.write` would change in the file, as a unified difference; empty when nothing would."""
    old = path.read_text(encoding="utf-8")
    new = space.edited(old, values)
    changed = difflib.unified_diff(old.splitlines(), new.splitlines(), path.name, path.name, n=1, lineterm="")
    return "\n".join(changed)


def what_next(study: Study, trial: FrozenTrial) -> str:
    """What the next `dvc repro` will do."""
    fixed = study.user_attrs["settings"].get("fixed") or {}
    if not fixed:
        experiment = trial.user_attrs.get("experiment")
        return f"next: `dvc repro` takes the training of {experiment} from the cache, and evaluates test once"
    listed = ", ".join(f"{key} {value}" for key, value in fixed.items())
    return f"next: `dvc repro` trains in full (the sweep's trials had {listed}), then evaluates test once"
