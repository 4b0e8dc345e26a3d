"""One worker of a sweep: trains trial after trial, each a DVC experiment, until none is left.

The sweep's head starts it as `python -m apparel.sweeps.worker` and writes its job to standard input as one line of
JSON; when that input ends, the head is gone, and the worker ends as well, with its training.
"""

import json
import os
import sys
import threading
from dataclasses import asdict, dataclass
from pathlib import Path

from optuna import Study, Trial
from optuna.trial import FrozenTrial

from apparel import errors, paths
from apparel.sweeps import config, plan, samplers, search_space, storage
from apparel.sweeps.snapshot import Snapshot
from apparel.sweeps.trial_claims import Beat, Claims
from apparel.sweeps.trial_runner import Ending, TrialTraining
from apparel.sweeps.workspace import Workspace
from apparel.utils import processes


@dataclass(frozen=True)
class Job:
    """What a worker is to do: `number` is its own among the workers of this machine."""

    storage: str
    study: str
    number: int
    trials: int | None
    minutes: float | None
    state: str  # the snapshot's commit in this clone

    def line(self) -> bytes:
        """As it is handed over."""
        return json.dumps(asdict(self)).encode() + b"\n"


class Worker:
    """A worker on its job, in the project's root."""

    def __init__(self, job: Job) -> None:
        self.study = storage.load(job.storage, job.study, wait=True)
        known = self.study.user_attrs
        taken = Snapshot(**known["snapshot"] | {"state": job.state})
        self.settings = config.parse(known["settings"], f"study {job.study}")
        self.space = search_space.build(self.settings, plan.today(taken), f"study {job.study}")
        self.folder = folder_of(job.study)
        seconds = None if job.minutes is None else 60 * job.minutes
        self.claims = Claims(self.study, self.folder, job.trials, seconds)
        self.workspace = Workspace(self.folder / f"worker-{job.number}", taken)
        self.me = processes.describe()

    def run(self) -> None:
        """Trains until there is no trial to begin or to go on with."""
        self.workspace.make()
        while (trial := self.claims.next(self.me)) is not None:
            with Beat(self.study, trial, self.me) as beat:
                self._one(trial, beat)

    def _one(self, frozen: FrozenTrial, beat: Beat) -> None:
        base = self.space.base
        self.study.sampler = samplers.sampler(self.settings, frozen.number)
        self.study.pruner = samplers.pruner(self.settings, base["train.validate_every"], base["train.epochs"])
        trial = Trial(self.study, frozen._trial_id)
        values = self.space.suggest(trial)
        trial.set_user_attr("values", values)
        trial.set_user_attr("experiment", experiment_of(self.study, frozen.number))
        ending = TrialTraining(self, trial, values, beat).run()
        if beat.is_ours():
            tell(self.study, frozen, ending)


def tell(study: Study, trial: FrozenTrial, ending: Ending) -> None:
    """Ends the trial in Optuna; nothing is left to do when a lost answer made this the second time."""
    from optuna.exceptions import UpdateFinishedTrialError

    for name, value in ending.attributes.items():
        study._storage.set_trial_user_attr(trial._trial_id, name, value)
    try:
        study.tell(trial.number, ending.values, ending.state, skip_if_finished=True)
    except UpdateFinishedTrialError:
        return


def folder_of(study: str) -> Path:
    """What this machine keeps of a study while it is under way."""
    return paths.LOCAL / "sweeps" / study


def experiment_of(study: Study, trial: int) -> str:
    """The name of a trial's DVC experiment: the study and the number follow from it."""
    return f"{study.study_name}-{trial:03d}"


def _end_with_head() -> None:
    """Waits for the end of standard input, then ends this process and what it started, at once."""
    while os.read(sys.stdin.fileno(), 1024):  # not the buffered reader, whose lock a thread holds until Python ends
        continue
    for child in processes.children():
        processes.kill(child)  # and no waiting, in which the other thread would begin it again
    os._exit(1)


def main() -> None:
    """Does the job that standard input says."""
    job = Job(**json.loads(sys.stdin.buffer.readline()))
    threading.Thread(target=_end_with_head, daemon=True).start()
    Worker(job).run()


if __name__ == "__main__":
    errors.run(main)
