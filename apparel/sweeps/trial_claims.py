"""Which worker has which trial: each trial is begun once, and goes on when its worker is gone.

A trial that waits has no worker. Whoever turns it from WAITING to RUNNING has it, and databases let only one do that.
A trial whose worker is gone is turned back to WAITING with all that it has: the next worker goes on with it, and it
stays one trial. The study never has more than its trials: surplus ones, made by two workers at once, wait for ever.
"""

import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import filelock
from optuna import Study
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState, create_trial

from apparel.utils import processes

SECONDS_BETWEEN_BEATS = 15
SECONDS_UNTIL_GONE = 120
"""A worker of another machine without a beat for so long is taken for dead."""


class Claims:
    """The trials of a study as one machine's workers share them.

    Args:
        study: where they are.
        folder: of the study on this machine; its lock stands in for those that SQLite lacks.
        total: how many trials the study is to have; None for no limit.
        seconds: for how long new trials begin; None for no limit.
    """

    def __init__(self, study: Study, folder: Path, total: int | None, seconds: float | None) -> None:
        self._study, self._total, self._seconds = study, float("inf") if total is None else total, seconds
        self._storage = study._storage
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = filelock.FileLock(folder / "claims.lock")

    def next(self, worker: dict[str, Any]) -> FrozenTrial | None:
        """A trial that is the worker's from now on: one to go on with, else a new one; None when there is none."""
        with self._lock:
            while True:
                trials = self._study.get_trials(deepcopy=False)
                waiting = self.waiting(trials)
                for trial in waiting:
                    if self._begin(trial):
                        self._storage.set_trial_user_attr(trial._trial_id, "worker", worker | {"beat": 0})
                        return trial
                if waiting:
                    continue
                if len(trials) >= self._total or self._is_over(trials):
                    return None
                self._study.add_trial(create_trial(state=TrialState.WAITING))

    def waiting(self, trials: Iterable[FrozenTrial]) -> list[FrozenTrial]:
        """Those that a worker could begin or go on with now, the latter first."""
        over = self._is_over(trials)
        found = [trial for trial in trials if trial.state == TrialState.WAITING and trial.number < self._total]
        begun = [trial for trial in found if "values" in trial.user_attrs]
        return begun + [trial for trial in found if "values" not in trial.user_attrs and not over]

    def is_done(self, trials: list[FrozenTrial]) -> bool:
        """Whether no trial is left to begin, to go on with, or to wait for."""
        if self.waiting(trials) or any(trial.state == TrialState.RUNNING for trial in trials):
            return False
        return len(trials) >= self._total or self._is_over(trials)

    def open_places(self, trials: list[FrozenTrial]) -> float:
        """How many workers would have something to do: trials under way here, and those to begin or go on with."""
        here = [trial for trial in trials if trial.state == TrialState.RUNNING and _is_here(trial)]
        new = 0 if self._is_over(trials) else max(0, self._total - len(trials))
        return len(here) + len(self.waiting(trials)) + new

    def release(self, trial: FrozenTrial) -> None:
        """Takes a trial from the worker that it has in `trial`, unless it has another by now."""
        with self._lock:
            now = self._storage.get_trial(trial._trial_id)
            if now.state == TrialState.RUNNING and _owner(now) == _owner(trial):
                self._storage.set_trial_state_values(trial._trial_id, state=TrialState.WAITING)

    def _begin(self, trial: FrozenTrial) -> bool:
        try:
            return self._storage.set_trial_state_values(trial._trial_id, state=TrialState.RUNNING)
        except UpdateFinishedTrialError:
            return False

    def _is_over(self, trials: Iterable[FrozenTrial]) -> bool:
        return self._seconds is not None and seconds_spent(trials) >= self._seconds


class Watch:
    """Tells trials whose worker is gone: at once on this machine, by missing beats from another."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[Any, float]] = {}
        self._last = time.monotonic()

    def gone(self, trials: Iterable[FrozenTrial]) -> list[FrozenTrial]:
        """Those among `trials`, as just read, that run without a worker."""
        now = time.monotonic()
        # Time in which nothing could be read is no sign: the database was away, for the workers as well.
        passed, self._last = min(now - self._last, SECONDS_BETWEEN_BEATS), now
        return [trial for trial in trials if trial.state == TrialState.RUNNING and self._is_gone(trial, passed)]

    def _is_gone(self, trial: FrozenTrial, passed: float) -> bool:
        worker = trial.user_attrs.get("worker")
        if worker and processes.is_here(worker):
            return not processes.is_alive(worker)
        sign, waited = self._seen.get(trial.number, (None, 0.0))
        waited = waited + passed if sign == (worker, trial.datetime_start) else 0.0
        self._seen[trial.number] = ((worker, trial.datetime_start), waited)
        return waited > SECONDS_UNTIL_GONE


class Beat:
    """A sign of life beside the training: the worker's attribute of the trial counts up, until the context ends.

    `lost` is set when the trial is another's: this worker was taken for dead, and has to leave it alone.
    """

    def __init__(self, study: Study, trial: FrozenTrial, worker: dict[str, Any]) -> None:
        self._storage, self._id, self._worker = study._storage, trial._trial_id, worker
        self._over, self.lost = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        count = 0
        while not self._over.wait(SECONDS_BETWEEN_BEATS):
            count += 1
            if not self.is_ours():
                self.lost.set()
                return
            self._storage.set_trial_user_attr(self._id, "worker", self._worker | {"beat": count})

    def is_ours(self) -> bool:
        """Whether the trial is still this worker's."""
        trial = self._storage.get_trial(self._id)
        return trial.state == TrialState.RUNNING and _owner(trial) == _owner_of(self._worker)

    def __enter__(self) -> "Beat":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()


def seconds_spent(trials: Iterable[FrozenTrial]) -> float:
    """Seconds in which at least one trial ran: pauses of the sweep do not count."""
    from datetime import datetime

    begun = sorted((trial for trial in trials if trial.datetime_start), key=lambda trial: trial.datetime_start)
    total, until = 0.0, datetime.min
    for trial in begun:
        if trial.state != TrialState.WAITING:
            end = trial.datetime_complete or datetime.now()
            total += max(0.0, (end - max(until, trial.datetime_start)).total_seconds())
            until = max(until, end)
    return total


def minutes_left(budget: float, trials: Iterable[FrozenTrial]) -> float:
    """For how long new trials begin, of a budget of so many minutes; 0 when it is spent."""
    return max(0.0, budget - seconds_spent(trials) / 60)


def _is_here(trial: FrozenTrial) -> bool:
    return processes.is_here(trial.user_attrs.get("worker") or {})


def _owner(trial: FrozenTrial) -> Any:
    return _owner_of(trial.user_attrs.get("worker") or {})


def _owner_of(worker: dict[str, Any]) -> Any:
    return [worker.get(name) for name in ("host", "pid", "started")]
