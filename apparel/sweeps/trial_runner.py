"""One trial from its values to its end: trains it, hears its validations, prunes it, and keeps what came out."""

import csv
import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen
from typing import TYPE_CHECKING, Any

from optuna import Trial
from optuna.trial import TrialState

from apparel import params, paths
from apparel.errors import UserError
from apparel.sweeps import failure_log, mlflow_runs, search_space, study_table
from apparel.sweeps.config import LATENCY
from apparel.sweeps.trial_claims import Beat
from apparel.tracking import local_runs, runs
from apparel.training import trial_messages
from apparel.utils import files, processes

if TYPE_CHECKING:
    from apparel.sweeps.worker import Worker

SECONDS_BETWEEN_LOOKS = 0.5
SECONDS_BETWEEN_TRIES = 30
"""At a training that is under way already, such as that of a `dvc repro` beside the first trial."""

FRUITLESS_KILLS = 2
"""How often a killed training is gone on with although it had come no further since the time before."""


@dataclass(frozen=True)
class Ending:
    """How a trial ended: what Optuna is told."""

    state: TrialState
    values: list[float] | None = None
    attributes: dict[str, Any] = field(default_factory=dict)


class TrialTraining:
    """One trial in a worker's hands, perhaps begun by another worker before."""

    def __init__(self, worker: "Worker", trial: Trial, values: search_space.Values, beat: Beat) -> None:
        self._worker, self._trial, self._beat = worker, trial, beat
        self._values = worker.settings.fixed | values
        self._name = trial.user_attrs["experiment"]
        self._folder = folder(worker.folder, trial.number)
        self._log = self._folder / "log.txt"
        self._reported = set(worker.study._storage.get_trial(trial._trial_id).intermediate_values)
        self._heard = 0

    def run(self) -> Ending:
        """Trains until the end, whichever it is."""
        began = time.monotonic()
        self._folder.mkdir(parents=True, exist_ok=True)
        twin = self._twin()
        if twin is not None and twin.state == TrialState.PRUNED:
            return self._as(twin)
        os.environ.update(self._environment())
        set_up = time.monotonic() - began
        ending = self._train()
        trained = time.monotonic() - began - set_up
        if ending.state == TrialState.COMPLETE:
            ending = self._keep()
        self._close_run(ending)
        seconds = {"set-up": set_up, "training": trained, "total": time.monotonic() - began}
        log = {"log": failure_log.last_lines(self._log)} if ending.state == TrialState.FAIL else {}
        run = {"run": local_runs.mlflow_id(self._run) or self._run} if self._run else {}
        return Ending(ending.state, ending.values, ending.attributes | {"seconds": seconds} | run | log)

    @property
    def _run(self) -> str | None:
        return self._trial.user_attrs.get("run")

    def _train(self) -> Ending:
        furthest, fruitless = -1, 0
        while fruitless <= FRUITLESS_KILLS:
            end_leftovers(self._folder)
            with self._log.open("wb") as log:
                process = self._worker.workspace.train(self._values, log)
                files.write_json(self._folder / "process.json", processes.describe(process.pid))
                self._follow(process)
            if self._beat.lost.is_set():
                return Ending(TrialState.FAIL)  # nobody is told: the trial is another worker's
            if process.returncode == 0:
                return Ending(TrialState.COMPLETE)
            text = failure_log.last_lines(self._log)
            if trial_messages.TRAINING_UNDER_WAY in text:  # once it has ended, DVC takes what it made from the cache
                self._beat.lost.wait(SECONDS_BETWEEN_TRIES)
                continue
            killed = failure_log.signal_of(text, process.returncode)
            if not killed and trial_messages.is_stopped(self._folder):
                return Ending(TrialState.PRUNED)
            if not killed:
                return Ending(TrialState.FAIL, attributes={"failure": failure_log.reason(text)})
            reached = max([-1, *(each.get("step", each.get("began")) for each in trial_messages.read(self._folder))])
            fruitless = 0 if reached > furthest else fruitless + 1
            furthest = max(furthest, reached)
        return Ending(TrialState.FAIL, attributes={"failure": f"killed by {killed} again and again: out of memory?"})

    def _follow(self, process: Popen) -> None:
        """Hears what the training reports until it ends."""
        while process.poll() is None:
            self._hear()
            if self._beat.lost.is_set():
                processes.end(processes.describe(process.pid))
            time.sleep(SECONDS_BETWEEN_LOOKS)
        self._hear()

    def _hear(self) -> None:
        said = trial_messages.read(self._folder)
        for each in said[self._heard :]:
            if "run" in each and each["run"] != self._run:
                self._trial.set_user_attr("run", each["run"])
            if "validation" in each:
                self._validated(each["validation"], each)
        self._heard = len(said)

    def _validated(self, validation: int, measured: dict[str, float]) -> None:
        """Tells Optuna, by epoch, what a training that goes on may have said before; asks whether to go on."""
        epoch = validation * self._param("train.validate_every")
        value = measured.get(study_table.reported(self._worker.study))
        if epoch in self._reported or value is None or value != value:
            return
        self._reported.add(epoch)
        if not self._worker.settings.prunes:  # past `Trial.report`, which refuses two objectives, since none can prune
            self._worker.study._storage.set_trial_intermediate_value(self._trial._trial_id, epoch, value)
            return
        self._trial.report(value, epoch)
        if self._trial.should_prune():
            trial_messages.stop(self._folder)

    def _keep(self) -> Ending:
        """Keeps a finished training as an experiment, and reads what it is worth."""
        workspace = self._worker.workspace
        cached = not trial_messages.read(self._folder)
        if cached:
            self._from_history()
        try:
            values = [self._value(objective.metric) for objective in self._worker.settings.objectives]
        except UserError as error:
            return Ending(TrialState.FAIL, attributes={"failure": f"error: {error}"})
        searched = ", ".join(f"{key} {value}" for key, value in self._trial.user_attrs["values"].items())
        revision = workspace.save(self._name, f"{self._name}: {searched}")
        known = {"revision": revision, "from_cache": cached, "metrics": self._val()}
        return Ending(TrialState.COMPLETE, values, known)

    def _value(self, metric: str) -> float:
        if metric == LATENCY:
            return self._latency()
        measured = self._val()
        if metric not in measured:
            raise UserError(f"train did not measure {metric}")
        return measured[metric]

    def _val(self) -> dict[str, float]:
        """What val.json has, by metric name; without classes that val has no boxes of."""
        val = json.loads((self._worker.workspace.folder / paths.VAL_METRICS).read_text(encoding="utf-8"))["val"]
        by_class = {f"AP50/{name}": value for name, value in val.pop("AP50").items()}
        return {f"val/{name}": value for name, value in (val | by_class).items() if value is not None}

    def _latency(self) -> float:
        workspace = self._worker.workspace
        with workspace.python("apparel.sweeps.latency", paths.MODEL.as_posix(), stdin=DEVNULL, stdout=PIPE) as process:
            said = process.communicate()[0].decode(errors="replace").split()
        if process.returncode or not said:
            raise UserError("the latency of the trained model could not be measured")
        return float(said[-1])

    def _from_history(self) -> None:
        """A training out of DVC's cache told nobody anything: its curve goes to Optuna, its results to MLflow."""
        history = self._worker.workspace.folder / paths.HISTORY
        with history.open(encoding="utf-8", newline="") as file:
            rows = [{name: float(value or "nan") for name, value in row.items()} for row in csv.DictReader(file)]
        with mlflow_runs.record(self._worker.study, self._trial, self._params(), history) as run:
            self._trial.set_user_attr("run", run.id)
        for place, row in enumerate(rows, start=1):
            self._validated(place, row)

    def _close_run(self, ending: Ending) -> None:
        """A training that was killed could not end its run in MLflow, and one that never began has none."""
        if self._beat.lost.is_set():
            return
        latency = dict(zip(study_table.metrics(self._worker.study), ending.values or [], strict=False)).get(LATENCY)
        if self._run is None:
            run = mlflow_runs.record(self._worker.study, self._trial, self._params())
            self._trial.set_user_attr("run", run.id)
        elif latency is not None or local_runs.is_open(self._run):
            run = runs.attach_run(self._run, self._params())
        else:
            return
        if latency is not None:
            run.log_metrics({LATENCY: latency})
        mlflow_runs.end(run, ending.state, ending.attributes.get("failure", ""))

    def _twin(self) -> Any:
        """An earlier trial of the same values, once it has ended; None where there is none to learn from."""
        while True:
            earlier = self._worker.study.get_trials(deepcopy=False)[: self._trial.number]
            mine = self._trial.user_attrs["values"]
            twins = [each for each in earlier if each.user_attrs.get("values") == mine]
            if not twins or any(each.state == TrialState.COMPLETE for each in twins):
                return None  # what is complete comes from DVC's cache
            if all(each.state.is_finished() for each in twins):
                return next((each for each in twins if each.state == TrialState.PRUNED), None)
            time.sleep(SECONDS_BETWEEN_LOOKS)

    def _as(self, twin: Any) -> Ending:
        """Pruned as its twin was, without training the same again."""
        for epoch, value in twin.intermediate_values.items():
            self._trial.report(value, epoch)
        run = mlflow_runs.record(self._worker.study, self._trial, self._params())
        run.kill(pruned=f"as trial {twin.number} was, which has the same parameters")
        name = local_runs.mlflow_id(run.id) or run.id
        return Ending(TrialState.PRUNED, attributes={"same_as": twin.number, "run": name})

    def _param(self, key: str) -> Any:
        return (self._worker.space.base | self._values)[key]

    def _params(self) -> params.Params:
        return params.parse(params.nest(self._worker.space.base | self._values))

    def _environment(self) -> dict[str, str]:
        study = self._worker.study
        known = {
            paths.TRIAL_FOLDER_VARIABLE: str(self._folder.absolute()),
            paths.WORKER_VARIABLE: str(os.getpid()),
            paths.STUDY_VARIABLE: study.study_name,
            paths.TRIAL_VARIABLE: str(self._trial.number),
            paths.PARENT_RUN_VARIABLE: study.user_attrs.get("parent_run"),
            "DVC_EXP_NAME": self._name,
            "DVC_EXP_BASELINE_REV": study.user_attrs["snapshot"]["commit"],
            "MLFLOW_RUN_ID": self._run,
        }
        for name in known:
            os.environ.pop(name, None)
        return {name: value for name, value in known.items() if value}


def folder(study: Path, trial: int) -> Path:
    """Where a trial and its training leave each other word; `study` is the study's folder."""
    return study / "trials" / f"{trial:03d}"


def end_leftovers(trial: Path) -> None:
    """Kills what runs of a trial still, since its worker died, or DVC and not the training; given by its folder."""
    try:
        known = json.loads((trial / "process.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return
    processes.end(known)
