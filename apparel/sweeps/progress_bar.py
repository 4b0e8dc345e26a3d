"""Progress bar of a sweep: ended trials, best value, last values of running trials, time left."""

import sys
import time
from typing import TYPE_CHECKING, Self

from tqdm import tqdm

from apparel.sweeps import study_table, trial_queue

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

    from apparel.sweeps.plan import Plan

SECONDS_BETWEEN_LINES = 60
"""Where the bar is written to a file instead of a terminal: each update is a line there."""


class ProgressBar:
    """A bar that counts ended trials, with a line above it for each trial that ends."""

    def __init__(self, plan: "Plan", study: "Study") -> None:
        self._study, self._minutes = study, plan.config.budget.minutes
        self._ended: set[int] | None = None
        self._interval = 0.5 if sys.stderr.isatty() else SECONDS_BETWEEN_LINES
        self._bar = tqdm(total=plan.trials, unit=" trials", desc=plan.config.study, mininterval=self._interval)
        self._last_refresh = 0.0

    def show(self, trials: "list[FrozenTrial]") -> None:
        """Updates the bar from the study's trials."""
        ended = {trial.number for trial in trials if trial.state.is_finished()}
        if self._ended is None:
            self._bar.initial = self._bar.n = len(ended)  # the time left is estimated from later trials only
            self._ended = ended
        for trial in trials:
            if trial.number in ended - self._ended:
                tqdm.write(self._line(trial))
        self._ended = ended
        self._bar.n = len(ended)
        running = [trial for trial in trials if trial.state.name == "RUNNING"]
        last = " ".join(f"{trial.number}:{_format(study_table.last_reported_value(trial))}" for trial in running)
        self._bar.set_postfix_str(f"best {self._best()}, running {last or 'none'}{self._budget(trials)}", refresh=False)
        if time.monotonic() - self._last_refresh >= self._interval:
            self._last_refresh = time.monotonic()
            self._bar.refresh()

    def _best(self) -> str:
        best = study_table.best_trials(self._study)
        return " and ".join("/".join(map(_format, trial.values)) for trial in best[:3]) or "-"

    def _budget(self, trials: "list[FrozenTrial]") -> str:
        if self._minutes is None:
            return ""
        left = trial_queue.minutes_left(self._minutes, trials)
        return f", new trials for {left:.0f} min" if left else ", no new trials"

    def _line(self, trial: "FrozenTrial") -> str:
        parameters = ", ".join(f"{key} {value}" for key, value in study_table.trial_values(trial).items())
        result = "/".join(map(_format, trial.values or [study_table.last_reported_value(trial)]))
        result = trial.user_attrs.get("failure", result)
        return f"trial {trial.number} {study_table.STATE_NAMES[trial.state]}: {result} ({parameters})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()


def _format(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"
