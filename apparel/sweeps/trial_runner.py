"""One trial of a sweep: train it, report its validations to Optuna, prune it, and save it as a DVC experiment."""

import csv
import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen
from typing import Any

from optuna import Study, Trial
from optuna.trial import FrozenTrial, TrialState

from apparel import params, paths
from apparel.errors import UserError
from apparel.sweeps import failure_log, forked_training, mlflow_runs, search_space, study_table
from apparel.sweeps.config import LATENCY, SweepConfig
from apparel.sweeps.heartbeat import Heartbeat
from apparel.sweeps.search_space import SearchSpace
from apparel.sweeps.workspace import Workspace, trial_folder
from apparel.tracking import local_runs, runs
from apparel.training import trial_messages
from apparel.utils import files, nested, processes

SECONDS_BETWEEN_POLLS = 0.5
SECONDS_BETWEEN_TRIES = 30
"""Pause while the same training is under way elsewhere, such as in a `dvc repro` beside the first trial."""

MAX_FRUITLESS_RESTARTS = 2
"""Restarts of a killed training that made no progress since the kill before."""


@dataclass(frozen=True)
class TrialContext:
    """What all trials of a worker share; `folder` is the study's on this machine."""

    study: Study
    config: SweepConfig
    space: SearchSpace
    folder: Path
    workspace: Workspace


@dataclass(frozen=True)
class TrialOutcome:
    """How a trial ended, as Optuna is told: its state, the objectives' values and user attributes."""

    state: TrialState
    values: list[float] | None = None
    attributes: dict[str, Any] = field(default_factory=dict)


class TrialRunner:
    """Runs a trial that its worker has claimed, and that another worker may have begun.

    Args:
        context: study, search space and clone of the project.
        trial: with the attribute `experiment`, the name of its DVC experiment.
        values: of the searched keys of params.yaml.
        heartbeat: of the worker, beside the training.
    """

    def __init__(self, context: TrialContext, trial: Trial, values: search_space.Values, heartbeat: Heartbeat) -> None:
        self._context, self._trial, self._heartbeat = context, trial, heartbeat
        self._study = context.study
        self._values = context.config.fixed | values
        self._experiment = trial.user_attrs["experiment"]
        self._folder = trial_folder(context.folder, trial.number)
        self._log = self._folder / "log.txt"
        self._reported_epochs = set(self._study._storage.get_trial(trial._trial_id).intermediate_values)
        self._messages_read = 0

    def run(self) -> TrialOutcome:
        """Trains until the trial is complete, pruned or failed."""
        start = time.monotonic()
        self._folder.mkdir(parents=True, exist_ok=True)
        duplicate = self._finished_duplicate()
        if duplicate is not None and duplicate.state == TrialState.PRUNED:
            return self._prune_like(duplicate)
        outcome = self._train_and_save(start)
        seconds = outcome.attributes.get("seconds", {}) | {"total": time.monotonic() - start}
        log = {"log": failure_log.last_lines(self._log)} if outcome.state == TrialState.FAIL else {}
        return TrialOutcome(outcome.state, outcome.values, outcome.attributes | {"seconds": seconds} | log)

    def _train_and_save(self, start: float) -> TrialOutcome:
        """Trains, saves the experiment and ends the run in MLflow; `start` is the clock when the trial began."""
        self._set_environment()
        began = time.monotonic()
        outcome = self._train()
        seconds = {"set-up": began - start, "training": time.monotonic() - began}
        if outcome.state == TrialState.COMPLETE:
            outcome = self._save_experiment()
        self._close_run(outcome)
        run = {"run": local_runs.mlflow_id(self._run) or self._run} if self._run else {}
        return TrialOutcome(outcome.state, outcome.values, outcome.attributes | {"seconds": seconds} | run)

    @property
    def _run(self) -> str | None:
        return self._trial.user_attrs.get("run")

    def _train(self) -> TrialOutcome:
        """Trains, again after each kill as long as that makes progress."""
        furthest, fruitless = -1, 0
        while fruitless <= MAX_FRUITLESS_RESTARTS:
            status = self._train_once()
            if self._heartbeat.lost.is_set():
                return TrialOutcome(TrialState.FAIL)  # never told: the trial belongs to another worker
            if status == 0:
                return TrialOutcome(TrialState.COMPLETE)
            log = failure_log.last_lines(self._log)
            if trial_messages.TRAINING_UNDER_WAY in log:  # once that has ended, DVC restores its result from the cache
                self._heartbeat.lost.wait(SECONDS_BETWEEN_TRIES)
                continue
            signal = failure_log.killing_signal(log, status)
            if not signal:
                return self._outcome_without_signal(log)
            reached = self._last_step()
            fruitless = 0 if reached > furthest else fruitless + 1
            furthest = max(furthest, reached)
        return TrialOutcome(TrialState.FAIL, attributes={"failure": f"killed by {signal} repeatedly: out of memory?"})

    def _train_once(self) -> int:
        """Exit status of the training, which ended or was ended since the heartbeat is lost."""
        end_orphaned_training(self._folder)
        with self._log.open("wb") as log:
            process = self._context.workspace.train(self._values, log)
            files.write_json(self._folder / "process.json", forked_training.identify(process))
            self._follow(process)
        return process.returncode

    def _outcome_without_signal(self, log: str) -> TrialOutcome:
        if trial_messages.stop_requested(self._folder):
            return TrialOutcome(TrialState.PRUNED)
        return TrialOutcome(TrialState.FAIL, attributes={"failure": failure_log.failure_reason(log)})

    def _last_step(self) -> int:
        messages = trial_messages.read_messages(self._folder)
        return max([-1, *(message.get("step", message.get("began")) for message in messages)])

    def _follow(self, process: Popen | forked_training.ForkedProcess) -> None:
        """Reads the training's messages until it ends."""
        while process.poll() is None:
            self._handle_messages()
            if self._heartbeat.lost.is_set():
                processes.end(forked_training.identify(process))
            time.sleep(SECONDS_BETWEEN_POLLS)
        self._handle_messages()

    def _handle_messages(self) -> None:
        messages = trial_messages.read_messages(self._folder)
        for message in messages[self._messages_read :]:
            if "run" in message and message["run"] != self._run:
                self._trial.set_user_attr("run", message["run"])
            if "validation" in message:
                self._report_validation(message["validation"], message)
        self._messages_read = len(messages)

    def _report_validation(self, validation: int, metrics: dict[str, float]) -> None:
        """Reports the validation's metric to Optuna by epoch, once; asks the training to stop if that prunes it."""
        epoch = validation * self._param("train.validate_every")
        value = metrics.get(study_table.reported_metric(self._study))
        if epoch in self._reported_epochs or value is None or value != value:
            return
        self._reported_epochs.add(epoch)
        if not self._context.config.can_prune:  # past `Trial.report`, which refuses two objectives: none can prune
            self._study._storage.set_trial_intermediate_value(self._trial._trial_id, epoch, value)
            return
        self._trial.report(value, epoch)
        if self._trial.should_prune():
            trial_messages.request_stop(self._folder)

    def _save_experiment(self) -> TrialOutcome:
        """Saves a finished training as a DVC experiment, and measures its objectives."""
        from_cache = not trial_messages.read_messages(self._folder)
        if from_cache:
            self._report_history()
        try:
            values = [self._objective_value(objective.metric) for objective in self._context.config.objectives]
        except UserError as error:
            return TrialOutcome(TrialState.FAIL, attributes={"failure": f"error: {error}"})
        searched = ", ".join(f"{key} {value}" for key, value in self._trial.user_attrs["values"].items())
        revision = self._context.workspace.save(self._experiment, f"{self._experiment}: {searched}")
        attributes = {"revision": revision, "from_cache": from_cache, "metrics": self._val_metrics()}
        return TrialOutcome(TrialState.COMPLETE, values, attributes)

    def _objective_value(self, metric: str) -> float:
        if metric == LATENCY:
            return self._latency()
        metrics = self._val_metrics()
        if metric not in metrics:
            raise UserError(f"train did not measure {metric}")
        return metrics[metric]

    def _val_metrics(self) -> dict[str, float]:
        """Metrics of val by name, `val/mAP50` or `val/AP50/<class>`, without classes that val has no boxes of."""
        path = self._context.workspace.folder / paths.VAL_METRICS
        val = json.loads(path.read_text(encoding="utf-8"))["val"]
        by_class = {f"AP50/{name}": value for name, value in val.pop("AP50").items()}
        return {f"val/{name}": value for name, value in (val | by_class).items() if value is not None}

    def _latency(self) -> float:
        """Milliseconds a photo of the trained model."""
        command = ("apparel.sweeps.latency", paths.MODEL.as_posix())
        with self._context.workspace.python(*command, stdin=DEVNULL, stdout=PIPE) as process:
            words = process.communicate()[0].decode(errors="replace").split()
        if process.returncode or not words:
            raise UserError("the latency of the trained model could not be measured")
        return float(words[-1])

    def _report_history(self) -> None:
        """Reports a training that DVC restored from its cache: its curve to Optuna, its results to MLflow."""
        history = self._context.workspace.folder / paths.HISTORY
        with history.open(encoding="utf-8", newline="") as file:
            rows = [{name: float(value or "nan") for name, value in row.items()} for row in csv.DictReader(file)]
        with mlflow_runs.create_trial_run(self._study, self._trial, self._params(), history) as run:
            self._trial.set_user_attr("run", run.id)
        for validation, row in enumerate(rows, start=1):
            self._report_validation(validation, row)

    def _close_run(self, outcome: TrialOutcome) -> None:
        """Ends the trial's run in MLflow, which a killed training left open; one that never began has none yet."""
        if self._heartbeat.lost.is_set():
            return
        objectives = study_table.objective_names(self._study)
        latency = dict(zip(objectives, outcome.values or [], strict=False)).get(LATENCY)
        if self._run is None:
            run = mlflow_runs.create_trial_run(self._study, self._trial, self._params())
            self._trial.set_user_attr("run", run.id)
        elif latency is not None or local_runs.is_open(self._run):
            run = runs.attach_run(self._run, self._params())
        else:
            return
        if latency is not None:
            run.log_metrics({LATENCY: latency})
        mlflow_runs.end_trial_run(run, outcome.state, outcome.attributes.get("failure", ""))

    def _finished_duplicate(self) -> FrozenTrial | None:
        """An earlier pruned trial of the same values; waits for one that still runs, to train the values once."""
        while True:
            earlier = self._study.get_trials(deepcopy=False)[: self._trial.number]
            values = self._trial.user_attrs["values"]
            duplicates = [trial for trial in earlier if trial.user_attrs.get("values") == values]
            if not duplicates or any(trial.state == TrialState.COMPLETE for trial in duplicates):
                return None  # DVC restores a complete one from its cache
            if all(trial.state.is_finished() for trial in duplicates):
                return next((trial for trial in duplicates if trial.state == TrialState.PRUNED), None)
            time.sleep(SECONDS_BETWEEN_POLLS)

    def _prune_like(self, duplicate: FrozenTrial) -> TrialOutcome:
        """Prunes the trial as its duplicate was, without a training."""
        for epoch, value in duplicate.intermediate_values.items():
            self._trial.report(value, epoch)
        run = mlflow_runs.create_trial_run(self._study, self._trial, self._params())
        run.kill(pruned=f"as trial {duplicate.number} was, which has the same parameters")
        run_id = local_runs.mlflow_id(run.id) or run.id
        return TrialOutcome(TrialState.PRUNED, attributes={"same_as": duplicate.number, "run": run_id})

    def _param(self, key: str) -> Any:
        return (self._context.space.base | self._values)[key]

    def _params(self) -> params.Params:
        return params.parse(nested.nest(self._context.space.base | self._values))

    def _set_environment(self, parent: str | None = None) -> None:
        """Sets the variables by which train, DVC and MLflow attach to the trial; unset ones are removed.

        Args:
            parent: run in MLflow that the training opens its own under; None: it attaches to the trial's, which is
                under the study's.
        """
        variables = {
            paths.TRIAL_FOLDER_VARIABLE: str(self._folder.absolute()),
            paths.WORKER_VARIABLE: str(os.getpid()),
            paths.STUDY_VARIABLE: self._study.study_name,
            paths.TRIAL_VARIABLE: str(self._trial.number),
            paths.PARENT_RUN_VARIABLE: parent or self._study.user_attrs.get("parent_run"),
            "DVC_EXP_NAME": self._experiment,
            "DVC_EXP_BASELINE_REV": self._study.user_attrs["snapshot"]["commit"],
            "MLFLOW_RUN_ID": None if parent else self._run,
        }
        for name in variables:
            os.environ.pop(name, None)
        os.environ.update({name: value for name, value in variables.items() if value})


def end_orphaned_training(trial: Path) -> None:
    """Kills the training that a dead worker left running, given the trial's folder."""
    try:
        process = json.loads((trial / "process.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return
    processes.end(process)
