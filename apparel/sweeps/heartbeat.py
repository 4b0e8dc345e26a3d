"""Heartbeats of workers, and stale trials: those that are RUNNING in Optuna while their worker is dead.

Ours, since Optuna's heartbeat works with `study.optimize` only. Here each trial is claimed by a worker process, so a
dead worker of this machine is noticed at once by its process id.
"""

import threading
import time
from collections.abc import Iterable
from typing import Any

from optuna import Study
from optuna.trial import FrozenTrial, TrialState

from apparel.sweeps.trial_queue import owner, process_key
from apparel.utils import processes

SECONDS_BETWEEN_BEATS = 15
SECONDS_UNTIL_STALE = 120
"""Without a heartbeat for so long a worker of another machine counts as dead: longer than a database restarts."""


class Heartbeat:
    """Counts up the heartbeat in the trial's attribute `worker` in a thread, until the context ends.

    `lost` is set once the trial belongs to another worker: this one was taken for dead, and must not touch it.
    """

    def __init__(self, study: Study, trial: FrozenTrial, worker: dict[str, Any]) -> None:
        self._storage, self._trial_id, self._worker = study._storage, trial._trial_id, worker
        self._ended, self.lost = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        count = 0
        while not self._ended.wait(SECONDS_BETWEEN_BEATS):
            count += 1
            if not self.owns_trial():
                self.lost.set()
                return
            self._storage.set_trial_user_attr(self._trial_id, "worker", self._worker | {"beat": count})

    def owns_trial(self) -> bool:
        """Whether the trial still belongs to this worker."""
        trial = self._storage.get_trial(self._trial_id)
        return trial.state == TrialState.RUNNING and owner(trial) == process_key(self._worker)

    def __enter__(self) -> "Heartbeat":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()


class StaleTrialDetector:
    """Finds stale trials: by the worker's process on this machine, by missing heartbeats from another one."""

    def __init__(self) -> None:
        self._last_beats: dict[int, tuple[Any, float]] = {}
        self._last_look = time.monotonic()

    def stale(self, trials: Iterable[FrozenTrial]) -> list[FrozenTrial]:
        """The trials that are RUNNING without a worker; `trials` must be just read from the storage."""
        now = time.monotonic()
        # A longer pause means that the database was away, and then no worker could send a heartbeat.
        passed, self._last_look = min(now - self._last_look, SECONDS_BETWEEN_BEATS), now
        return [trial for trial in trials if trial.state == TrialState.RUNNING and self._is_stale(trial, passed)]

    def _is_stale(self, trial: FrozenTrial, passed: float) -> bool:
        worker = trial.user_attrs.get("worker")
        if worker and processes.is_here(worker):
            return not processes.is_alive(worker)
        beat = (worker, trial.datetime_start)
        last_beat, silence = self._last_beats.get(trial.number, (None, 0.0))
        silence = silence + passed if last_beat == beat else 0.0
        self._last_beats[trial.number] = (beat, silence)
        return silence > SECONDS_UNTIL_STALE
