"""MLflow runs of a sweep: one for the study, and one child run for each trial.

Ours in place of optuna-integration's `MLflowCallback`, which is deprecated: it needs `study.optimize`, and logs a trial
only when it ends. Here the training itself logs to its run, and a killed one resumes it.
"""

from pathlib import Path
from types import TracebackType
from typing import Self

import pandas as pd
from optuna.study import Study
from optuna.trial import BaseTrial, FrozenTrial, TrialState

from apparel.params import Params
from apparel.sweeps import storage, study_table
from apparel.tracking import local_runs, runs, sender_process
from apparel.tracking.outbox import unsent_outboxes
from apparel.tracking.runs import Run
from apparel.utils import processes
from apparel.versioning import provenance

INTERRUPTED = "the sweep was interrupted; `apparel sweep` continues it"
"""Tag `stopped` of runs that a sweep left open."""


class StudyRun:
    """The study's run, open in this context: the one that an earlier start of the sweep created, or a new one.

    Of drivers that start at the same time, the one that created the study creates the run.
    The study's attribute `parent_run` has its id, which a trial's training gets as APPAREL_PARENT_RUN_ID. At the end
    the report is added, and runs of trials that processes of this clone left open are ended.

    Args:
        study: the study.
        params: params.yaml as the first trial has it.
    """

    def __init__(self, study: Study, params: Params) -> None:
        self._study, self._params, self._ended_trials = study, params, 0

    def __enter__(self) -> Self:
        if storage.CREATOR in self._study.user_attrs:  # versions before this one noted none
            storage.wait_for_creator(self._study, "parent_run")
        attributes = self._study.user_attrs
        if "parent_run" in attributes:
            self._run = runs.attach_run(attributes["parent_run"], self._params)
            return self
        self._run = runs.start_run(self._params, f"sweep {self._study.study_name}")
        self._study.set_user_attr("parent_run", self._run.id)
        self._run.set_tags(provenance.tags(self._params) | {"optuna.study": self._study.study_name})
        self._run.log_params({f"space.{key}": ranges for key, ranges in attributes["settings"]["space"].items()})
        self._run.log_params({f"fixed.{key}": value for key, value in attributes["settings"]["fixed"].items()})
        self._run.log_inputs(provenance.data(self._params), "training")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        from apparel.sweeps import report  # plotly takes seconds to import

        try:
            close_open_runs(self._study, self._params)
            _send_unsent_runs()
            self.log_progress()
            self._tag_best_trial()  # its run may have got its id in MLflow just now
            for file in report.write_report(self._study):
                self._run.log_file(file)
        finally:
            self._end(error)

    def _end(self, error: BaseException | None) -> None:
        if error is None:
            self._run.finish()
        elif isinstance(error, Exception):
            self._run.fail(str(error))
        else:
            self._run.kill(stopped=INTERRUPTED)

    def log_progress(self) -> None:
        """Logs the number of trials by state and the best trial's metrics, once for each trial that ends."""
        states = [trial.state for trial in self._study.get_trials(deepcopy=False) if trial.state.is_finished()]
        if len(states) == self._ended_trials:
            return
        self._ended_trials = len(states)
        counts = {f"trials/{study_table.STATE_NAMES[state]}": states.count(state) for state in set(states)}
        self._run.log_metrics(counts, step=len(states))
        for trial in study_table.best_trials(self._study)[:1]:
            values = dict(zip(study_table.objective_names(self._study), trial.values, strict=True))
            self._run.log_metrics(trial.user_attrs.get("metrics", {}) | values, step=len(states))
        self._tag_best_trial()

    def _tag_best_trial(self) -> None:
        for trial in study_table.best_trials(self._study)[:1]:
            best = study_table.trial_values(trial) | {
                "trial": trial.number,
                "experiment": trial.user_attrs.get("experiment"),
                "run": study_table.mlflow_run_id(trial),
            }
            self._run.set_tags({f"best.{name}": value for name, value in best.items()})
        if len(self._study.directions) > 1:
            front = [trial.user_attrs.get("experiment", "") for trial in study_table.best_trials(self._study)]
            self._run.set_tags({"pareto.front": ", ".join(front)})


def close_open_runs(study: Study, params: Params) -> None:
    """Ends the runs of trials that processes of this clone left open, with the status of the trial."""
    for trial in study.get_trials(deepcopy=False):
        run = trial.user_attrs.get("run")
        if run and local_runs.is_open(run) and not _has_worker(trial):
            end_trial_run(runs.attach_run(run, params), trial.state, trial.user_attrs.get("failure", ""))


def _send_unsent_runs() -> None:
    """Sends the rest of runs whose training did not wait long enough for MLflow to receive them."""
    from apparel.tracking.sender import Sender

    if sender_process.is_later():
        return
    for outbox in unsent_outboxes():
        try:
            Sender(outbox).send()
        except Exception:  # noqa: BLE001 - a sweep ends well without a server, too; `sync` sends later
            continue


def end_trial_run(run: Run, state: TrialState, failure: str) -> None:
    """Ends a trial's run with the status of the trial; a trial that has not ended is KILLED, and may resume."""
    if state == TrialState.COMPLETE:
        run.finish()
    elif state == TrialState.FAIL:
        run.fail(failure)
    elif state == TrialState.PRUNED:
        run.kill(pruned="other trials were better at this point")
    else:
        run.kill(stopped=INTERRUPTED)


def create_trial_run(study: Study, trial: BaseTrial, params: Params, history: Path | None = None) -> Run:
    """Creates the run of a trial whose training created none: it was in DVC's cache, or failed at once.

    Args:
        study: of the trial.
        trial: with the attribute `experiment`.
        params: params.yaml as the trial has it.
        history: `history.csv` of the training that is in the cache.

    Returns:
        The run, still open: `finish` or `fail` it.
    """
    experiment = trial.user_attrs["experiment"]
    run = runs.start_run(params, experiment, parent=study.user_attrs.get("parent_run"))
    run.log_params(params.flat())
    run.set_tags({"optuna.study": study.study_name, "optuna.trial": trial.number, "dvc.experiment": experiment})
    if history is not None:
        run.set_tags({"trained": "earlier: an equal training was in DVC's cache"})
        run.log_file(history)
        for row in pd.read_csv(history).to_dict("records"):
            run.log_metrics({name: value for name, value in row.items() if name != "step"}, int(row["step"]))
    return run


def _has_worker(trial: FrozenTrial) -> bool:
    """Whether a worker trains it now: one that is alive on this machine, or one of another machine."""
    worker = trial.user_attrs.get("worker")
    if trial.state != TrialState.RUNNING or not worker:
        return False
    return not processes.is_here(worker) or processes.is_alive(worker)
