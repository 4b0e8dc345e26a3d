"""A sweep in MLflow: one run for the study, below it one for each trial, and in the end none left open."""

from pathlib import Path
from types import TracebackType
from typing import Self

import pandas as pd
from optuna.study import Study
from optuna.trial import BaseTrial, FrozenTrial, TrialState

from apparel.params import Params
from apparel.sweeps import study_table
from apparel.tracking import local_runs, runs
from apparel.tracking.outbox import unsent_outboxes
from apparel.tracking.runs import Run
from apparel.utils import processes
from apparel.versioning import provenance

GOES_ON = "the sweep was interrupted; `python -m apparel sweep` goes on with it"


class Parent:
    """The study's run, open in this context; the one that an earlier sweep opened, on whichever machine, or a new one.

    The study's attribute `parent_run` has its id; a trial's training takes that as APPAREL_PARENT_RUN_ID. In the end
    it has the report, and the runs of trials that processes of this clone left open are ended before it.

    Args:
        study: whose run it is.
        chosen: params.yaml as the study began with it.
    """

    def __init__(self, study: Study, chosen: Params) -> None:
        self._study, self._chosen, self._ended = study, chosen, 0

    def __enter__(self) -> Self:
        known = self._study.user_attrs
        if "parent_run" in known:
            self._run = runs.attach_run(known["parent_run"], self._chosen)
            return self
        self._run = runs.start_run(self._chosen, f"sweep {self._study.study_name}")
        self._study.set_user_attr("parent_run", self._run.id)
        self._run.set_tags(provenance.tags(self._chosen) | {"optuna.study": self._study.study_name})
        self._run.log_params({f"space.{key}": ranges for key, ranges in known["settings"]["space"].items()})
        self._run.log_params({f"fixed.{key}": value for key, value in known["settings"]["fixed"].items()})
        self._run.log_inputs(provenance.data(self._chosen), "training")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        from apparel.sweeps import report  # its pictures take seconds to import

        try:
            settle(self._study, self._chosen)
            _send_what_waits()
            self.improve()
            self._point_to_best()  # whose run may have got its id in MLflow only now
            for file in report.write(self._study):
                self._run.log_file(file)
        finally:
            self._end(error)

    def _end(self, error: BaseException | None) -> None:
        if error is None:
            self._run.finish()
        elif isinstance(error, Exception):
            self._run.fail(str(error))
        else:
            self._run.kill(stopped=GOES_ON)

    def improve(self) -> None:
        """Says how many trials ended which way, and what the best one has, whenever one more has ended."""
        states = [trial.state for trial in self._study.get_trials(deepcopy=False) if trial.state.is_finished()]
        if len(states) == self._ended:
            return
        self._ended = len(states)
        counted = {f"trials/{study_table.WORDS[state]}": states.count(state) for state in set(states)}
        self._run.log_metrics(counted, step=len(states))
        for trial in study_table.best(self._study)[:1]:
            values = dict(zip(study_table.metrics(self._study), trial.values, strict=True))
            self._run.log_metrics(trial.user_attrs.get("metrics", {}) | values, step=len(states))
        self._point_to_best()

    def _point_to_best(self) -> None:
        for trial in study_table.best(self._study)[:1]:
            names = {
                "trial": trial.number,
                "experiment": trial.user_attrs.get("experiment"),
                "run": study_table.run(trial),
            }
            self._run.set_tags({f"best.{name}": value for name, value in (names | study_table.values(trial)).items()})
        if len(self._study.directions) > 1:
            front = [trial.user_attrs.get("experiment", "") for trial in study_table.best(self._study)]
            self._run.set_tags({"pareto.front": ", ".join(front)})


def settle(study: Study, chosen: Params) -> None:
    """Ends each trial's run that processes of this clone left open, as the trial itself ended."""
    for trial in study.get_trials(deepcopy=False):
        name = trial.user_attrs.get("run")
        if name and local_runs.is_open(name) and not _is_at_work(trial):
            end(runs.attach_run(name, chosen), trial.state, trial.user_attrs.get("failure", ""))


def _send_what_waits() -> None:
    """A training waits a minute for MLflow to take its run; where that was too short, the rest goes now."""
    from apparel.tracking.sender import Sender

    for outbox in unsent_outboxes():
        try:
            Sender(outbox).send()
        except Exception:  # noqa: BLE001 - a server that is away must not cost the sweep its end; `sync` sends later
            continue


def end(run: Run, state: TrialState, failure: str) -> None:
    """Ends a trial's run as the trial ended; one that has not come to its end is stopped, and may go on."""
    if state == TrialState.COMPLETE:
        run.finish()
    elif state == TrialState.FAIL:
        run.fail(failure)
    elif state == TrialState.PRUNED:
        run.kill(pruned="other trials had done better by then")
    else:
        run.kill(stopped=GOES_ON)


def record(study: Study, trial: BaseTrial, chosen: Params, history: Path | None = None) -> Run:
    """A run for a trial whose training opened none: it came from the cache, or failed before it began.

    Args:
        study: the trial's.
        trial: with the attribute `experiment`.
        chosen: params.yaml as the trial has it.
        history: `history.csv` as the earlier training wrote it.

    Returns:
        The run, still open: `finish` or `fail` it.
    """
    experiment = trial.user_attrs["experiment"]
    run = runs.start_run(chosen, experiment, parent=study.user_attrs.get("parent_run"))
    run.log_params(chosen.flat())
    run.set_tags({"optuna.study": study.study_name, "optuna.trial": trial.number, "dvc.experiment": experiment})
    if history is not None:
        run.set_tags({"trained": "earlier: an equal training was in DVC's cache"})
        run.log_file(history)
        for row in pd.read_csv(history).to_dict("records"):
            run.log_metrics({name: value for name, value in row.items() if name != "step"}, int(row["step"]))
    return run


def _is_at_work(trial: FrozenTrial) -> bool:
    """Whether a worker has it now: one of this machine that lives, or one elsewhere."""
    worker = trial.user_attrs.get("worker")
    if trial.state != TrialState.RUNNING or not worker:
        return False
    return not processes.is_here(worker) or processes.is_alive(worker)
