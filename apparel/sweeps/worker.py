"""Worker process of a sweep: trains trial after trial, each as a DVC experiment, until the queue is empty.

The driver starts it as `python -m apparel.sweeps.worker` and writes its job to standard input as one line of JSON.
When standard input is closed, the driver is gone, and the worker ends as well, with its training.
"""

import json
import os
import sys
import threading
from contextlib import closing
from dataclasses import asdict, dataclass

from optuna import Study, Trial
from optuna.trial import FrozenTrial

from apparel import errors
from apparel.sweeps import config, plan, samplers, search_space, storage
from apparel.sweeps.crossval_trial import CrossvalTrialRunner
from apparel.sweeps.heartbeat import Heartbeat
from apparel.sweeps.snapshot import Snapshot
from apparel.sweeps.trial_queue import TrialQueue
from apparel.sweeps.trial_runner import TrialContext, TrialOutcome, TrialRunner
from apparel.sweeps.workspace import Workspace, experiment_name, study_folder
from apparel.utils import processes


@dataclass(frozen=True)
class Job:
    """What a worker needs to know of its sweep.

    Attributes:
        storage: address of the study's storage.
        study: name of the study.
        number: of the worker on this machine, from 0.
        trials: of the study in all; None for no limit.
        minutes: after which no new trial begins; None for no limit.
        state: commit of the snapshot in this clone.
    """

    storage: str
    study: str
    number: int
    trials: int | None
    minutes: float | None
    state: str

    def to_json_line(self) -> bytes:
        """One line of JSON, as the worker reads it."""
        return json.dumps(asdict(self)).encode() + b"\n"


class Worker:
    """A worker on its job; the current folder is the project's root."""

    def __init__(self, job: Job) -> None:
        study = storage.load_study(job.storage, job.study, wait=True)
        attributes, folder = study.user_attrs, study_folder(job.study)
        snapshot = Snapshot(**attributes["snapshot"] | {"state": job.state})
        settings = config.parse_config(attributes["settings"], f"study {job.study}")
        space = search_space.build(settings, plan.read_params(snapshot), f"study {job.study}")
        self._context = TrialContext(
            study, settings, space, folder, Workspace(folder / f"worker-{job.number}", snapshot)
        )
        self._queue = TrialQueue(study, folder, job.trials, None if job.minutes is None else 60 * job.minutes)
        self._process = processes.describe()

    def run(self) -> None:
        """Trains until there is no trial to begin or to resume."""
        workspace = self._context.workspace
        workspace.create()
        with closing(workspace):
            while (trial := self._queue.claim(self._process)) is not None:
                with Heartbeat(self._context.study, trial, self._process) as heartbeat:
                    self._run_trial(trial, heartbeat)

    def _run_trial(self, claimed: FrozenTrial, heartbeat: Heartbeat) -> None:
        study, settings, base = self._context.study, self._context.config, self._context.space.base
        study.sampler = samplers.make_sampler(settings, claimed.number)
        study.pruner = samplers.make_pruner(settings, base["train.validate_every"], base["train.epochs"])
        trial = Trial(study, claimed._trial_id)
        values = self._context.space.suggest(trial)
        trial.set_user_attr("values", values)
        trial.set_user_attr("experiment", experiment_name(study.study_name, claimed.number))
        runner = CrossvalTrialRunner if settings.objective == "crossval" else TrialRunner
        outcome = runner(self._context, trial, values, heartbeat).run()
        if heartbeat.owns_trial():
            tell_outcome(study, claimed, outcome)


def tell_outcome(study: Study, trial: FrozenTrial, outcome: TrialOutcome) -> None:
    """Ends the trial in Optuna; repeating it, after the storage's answer was lost, changes nothing."""
    from optuna.exceptions import UpdateFinishedTrialError

    for name, value in outcome.attributes.items():
        study._storage.set_trial_user_attr(trial._trial_id, name, value)
    try:
        study.tell(trial.number, outcome.values, outcome.state, skip_if_finished=True)
    except UpdateFinishedTrialError:
        return


def _exit_with_driver() -> None:
    """Waits for the end of standard input, then kills what this process started, and exits at once."""
    while os.read(sys.stdin.fileno(), 1024):  # not the buffered reader, whose lock a thread holds until Python ends
        continue
    for child in processes.children():
        processes.kill(child)  # without waiting: meanwhile the main thread would start the training again
    os._exit(1)


def main() -> None:
    """Does the job that is read from standard input."""
    job = Job(**json.loads(sys.stdin.buffer.readline()))
    threading.Thread(target=_exit_with_driver, daemon=True).start()
    Worker(job).run()


if __name__ == "__main__":
    errors.run(main)
