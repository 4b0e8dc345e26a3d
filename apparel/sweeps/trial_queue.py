"""Queue of a study's trials: each is trained by one worker, and an interrupted trial goes back into the queue.

A queued trial has Optuna's state WAITING. The worker that changes it to RUNNING owns it; databases let only one do
that. When its worker dies it is set to WAITING again, with its parameters and intermediate values, and the next worker
resumes the same trial. Surplus trials, which two workers added at the same time, stay WAITING.

Ours, since Optuna's heartbeat and `RetryFailedTrialCallback` work with `study.optimize` only, and they fail the trial
and queue a copy under a new number: its checkpoint, MLflow run and DVC experiment would belong to the failed one.
"""

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import filelock
from optuna import Study
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState, create_trial

from apparel.utils import processes


class TrialQueue:
    """The trials of a study that the workers of one machine train.

    Args:
        study: the study, with a storage that all workers share.
        folder: of the study on this machine; its file lock replaces the row locks that SQLite lacks.
        max_trials: trials of the study in all; None for no limit.
        max_seconds: no new trial begins after so many seconds of work; None for no limit.
    """

    def __init__(self, study: Study, folder: Path, max_trials: int | None, max_seconds: float | None) -> None:
        self._study, self._max_seconds = study, max_seconds
        self._max_trials = float("inf") if max_trials is None else max_trials
        self._storage = study._storage
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = filelock.FileLock(folder / "claims.lock")

    def claim(self, worker: dict[str, Any]) -> FrozenTrial | None:
        """Gives the worker an interrupted trial, else a new one; None when the study needs no more.

        Args:
            worker: the worker's process, see `processes.describe`.
        """
        with self._lock:
            while True:
                trials = self._study.get_trials(deepcopy=False)
                waiting = self.waiting(trials)
                for trial in waiting:
                    if self._set_running(trial):
                        self._storage.set_trial_user_attr(trial._trial_id, "worker", worker | {"beat": 0})
                        return trial
                if waiting:
                    continue
                if len(trials) >= self._max_trials or self._is_time_over(trials):
                    return None
                self._study.add_trial(create_trial(state=TrialState.WAITING))

    def waiting(self, trials: Iterable[FrozenTrial]) -> list[FrozenTrial]:
        """Trials that a worker can claim now, interrupted ones first."""
        time_over = self._is_time_over(trials)
        queued = [trial for trial in trials if trial.state == TrialState.WAITING and trial.number < self._max_trials]
        interrupted = [trial for trial in queued if "values" in trial.user_attrs]
        return interrupted + [trial for trial in queued if "values" not in trial.user_attrs and not time_over]

    def is_done(self, trials: list[FrozenTrial]) -> bool:
        """Whether no trial is left to begin, to resume or to wait for."""
        if self.waiting(trials) or any(trial.state == TrialState.RUNNING for trial in trials):
            return False
        return len(trials) >= self._max_trials or self._is_time_over(trials)

    def workers_needed(self, trials: list[FrozenTrial]) -> float:
        """Number of workers that this machine has trials for: running here, waiting, and not yet added."""
        running = [trial for trial in trials if trial.state == TrialState.RUNNING and _runs_here(trial)]
        new = 0 if self._is_time_over(trials) else max(0, self._max_trials - len(trials))
        return len(running) + len(self.waiting(trials)) + new

    def release(self, trial: FrozenTrial) -> None:
        """Puts the trial back into the queue, unless another worker than the one in `trial` owns it by now."""
        with self._lock:
            current = self._storage.get_trial(trial._trial_id)
            if current.state == TrialState.RUNNING and owner(current) == owner(trial):
                self._storage.set_trial_state_values(trial._trial_id, state=TrialState.WAITING)

    def _set_running(self, trial: FrozenTrial) -> bool:
        try:
            return self._storage.set_trial_state_values(trial._trial_id, state=TrialState.RUNNING)
        except UpdateFinishedTrialError:
            return False

    def _is_time_over(self, trials: Iterable[FrozenTrial]) -> bool:
        return self._max_seconds is not None and seconds_spent(trials) >= self._max_seconds


def owner(trial: FrozenTrial) -> list[Any]:
    """Host, process id and start of the trial's worker, without its heartbeats."""
    return process_key(trial.user_attrs.get("worker") or {})


def process_key(worker: dict[str, Any]) -> list[Any]:
    """What tells a worker's process from all others."""
    return [worker.get(name) for name in ("host", "pid", "started")]


def seconds_spent(trials: Iterable[FrozenTrial]) -> float:
    """Seconds in which at least one trial ran; pauses of the sweep do not count."""
    started = sorted((trial for trial in trials if trial.datetime_start), key=lambda trial: trial.datetime_start)
    total, until = 0.0, datetime.min
    for trial in started:
        if trial.state != TrialState.WAITING:
            end = trial.datetime_complete or datetime.now()
            total += max(0.0, (end - max(until, trial.datetime_start)).total_seconds())
            until = max(until, end)
    return total


def minutes_left(budget: float, trials: Iterable[FrozenTrial]) -> float:
    """Minutes of the budget in which new trials may still begin; 0 when it is spent."""
    return max(0.0, budget - seconds_spent(trials) / 60)


def _runs_here(trial: FrozenTrial) -> bool:
    return processes.is_here(trial.user_attrs.get("worker") or {})
