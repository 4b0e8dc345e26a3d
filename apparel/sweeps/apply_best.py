"""Writing a trial's values, the best one's by default, into params.yaml."""

import difflib
from collections.abc import Callable

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from apparel import params, paths
from apparel.errors import UserError
from apparel.sweeps import report, search_space, study_table
from apparel.utils import files, nested, yaml


def select_trial(study: Study, number: int | None) -> FrozenTrial:
    """The trial of that number, or the best one.

    Raises:
        UserError: it is not complete, no trial is, or several are best in two objectives.
    """
    trials = study.get_trials(deepcopy=False)
    if number is not None:
        if not 0 <= number < len(trials) or trials[number].state != TrialState.COMPLETE:
            raise UserError(f"sweep {study.study_name} has no complete trial {number}")
        return trials[number]
    best = study_table.best_trials(study)
    if not best:
        raise UserError(f"sweep {study.study_name} has no complete trial yet ({study_table.count_states(study)})")
    if len(best) > 1:
        listed = "\n".join(f"  {report.trial_title(study, trial)}" for trial in best)
        raise UserError(
            f"none of these trials is better than another in both objectives; name one, such as "
            f"--finish {best[0].number}\n{listed}"
        )
    return best[0]


def searched_values(study: Study, trial: FrozenTrial) -> search_space.Values:
    """The trial's values of the searched keys, without those that the sweep fixes."""
    values = study_table.trial_values(trial)
    return {key: values[key] for key in study_table.searched_keys(study) if key in values}


def run(study: Study, number: int | None, confirm: Callable[[str], bool], dry_run: bool) -> None:
    """Shows the change of params.yaml, asks for consent, writes it, and prints the next step.

    Args:
        study: the sweep's study.
        number: of the trial; None takes the best one.
        confirm: asks a question, and returns whether the answer is yes.
        dry_run: only show the change.

    Raises:
        UserError: there is no such trial, its values are not valid in params.yaml, or the answer is no.
    """
    trial = select_trial(study, number)
    print(report.trial_title(study, trial))
    old = paths.PARAMS.read_text(encoding="utf-8")
    new = params_with(old, searched_values(study, trial))
    name = paths.PARAMS.name
    print("\n".join(difflib.unified_diff(old.splitlines(), new.splitlines(), name, name, n=1, lineterm="")))
    if new == old:
        print(f"{name} has these values already")
    elif dry_run:
        return
    elif not confirm(f"write this into {name}?"):
        raise UserError(f"{name} stays as it is")
    else:
        files.write_text(paths.PARAMS, new)
    print(next_step(study, trial))


def params_with(text: str, values: search_space.Values) -> str:
    """The text of params.yaml with these values.

    Raises:
        UserError: params.yaml has no such keys, or the values are not valid.
    """
    params.load()
    new = yaml.edit(text, nested.nest(values))
    params.parse(yaml.parse(new, paths.PARAMS.name), f"{paths.PARAMS} with the trial's values")
    return new


def next_step(study: Study, trial: FrozenTrial) -> str:
    """What the next `dvc repro` does."""
    fixed = study.user_attrs["settings"].get("fixed") or {}
    if not fixed:
        experiment = trial.user_attrs.get("experiment")
        return f"next: `dvc repro` takes the training of {experiment} from the cache, and evaluates test once"
    listed = ", ".join(f"{key} {value}" for key, value in fixed.items())
    return f"next: `dvc repro` trains in full (the sweep's trials had {listed}), then evaluates test once"
