"""The end of a sweep: its best parameters in params.yaml."""

import difflib

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from apparel import params, paths
from apparel.errors import UserError
from apparel.sweeps import report, search_space, study_table
from apparel.utils import files, yaml


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
    best = study_table.best(study)
    if not best:
        raise UserError(f"sweep {study.study_name} has no complete trial yet ({study_table.counts(study)})")
    if len(best) > 1:
        listed = "\n".join(f"  {report.title(study, trial)}" for trial in best)
        raise UserError(
            f"no other trial is better in both than any of these; name one, such as --finish {best[0].number}\n{listed}"
        )
    return best[0]


def chosen(study: Study, trial: FrozenTrial) -> search_space.Values:
    """What the trial has for the keys that the sweep searched; what it fixed is no part of it."""
    found = study_table.values(trial)
    return {key: found[key] for key in study_table.keys(study) if key in found}


def run(study: Study, number: int | None, sure: bool, dry_run: bool) -> None:
    """Shows what changes in params.yaml, asks unless `sure`, writes it, and says what comes next.

    Raises:
        UserError: there is no such trial, params.yaml does not take its values, or the answer is no.
    """
    trial = pick(study, number)
    print(report.title(study, trial))
    old = paths.PARAMS.read_text(encoding="utf-8")
    new = changed(old, chosen(study, trial))
    name = paths.PARAMS.name
    print("\n".join(difflib.unified_diff(old.splitlines(), new.splitlines(), name, name, n=1, lineterm="")))
    if new == old:
        print(f"{name} has these values already")
    elif dry_run:
        return
    elif not sure and not _agreed(f"write this into {name}? [y/N] "):
        raise UserError(f"{name} stays as it is")
    else:
        files.write_text(paths.PARAMS, new)
    print(what_next(study, trial))


def changed(text: str, values: search_space.Values) -> str:
    """The text of params.yaml with these values.

    Raises:
        UserError: it has no such keys, or does not take such values.
    """
    params.load()
    new = yaml.edit(text, params.nest(values))
    params.parse(yaml.parse(new, paths.PARAMS.name), f"{paths.PARAMS} with the trial's values")
    return new


def _agreed(question: str) -> bool:
    try:
        return input(question).strip().lower() in ("y", "yes")
    except EOFError:
        raise UserError("nobody is there to answer; add --yes") from None


def what_next(study: Study, trial: FrozenTrial) -> str:
    """What the next `dvc repro` will do."""
    fixed = study.user_attrs["settings"].get("fixed") or {}
    if not fixed:
        experiment = trial.user_attrs.get("experiment")
        return f"next: `dvc repro` takes the training of {experiment} from the cache, and evaluates test once"
    listed = ", ".join(f"{key} {value}" for key, value in fixed.items())
    return f"next: `dvc repro` trains in full (the sweep's trials had {listed}), then evaluates test once"
