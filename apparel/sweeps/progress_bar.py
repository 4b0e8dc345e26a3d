"""The progress bar of a sweep: trials, the best value, what the running ones had last, time left."""

import sys
import time
from typing import TYPE_CHECKING, Self

from tqdm import tqdm

from apparel.sweeps import study_table as reading
from apparel.sweeps import trial_claims

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

    from apparel.sweeps.plan import Plan

SECONDS_BETWEEN_LINES = 60
"""Where the bar is no terminal's: a log file is no place for an animation."""


class Progress:
    """A bar that counts the trials that ended; each of those gets a line above it."""

    def __init__(self, plan: "Plan", study: "Study") -> None:
        self._study, self._minutes = study, plan.settings.budget.minutes
        self._ended: set[int] | None = None
        self._pause = seconds = 0.5 if sys.stderr.isatty() else SECONDS_BETWEEN_LINES
        self._bar = tqdm(total=plan.trials, unit=" trials", desc=plan.settings.study, mininterval=seconds)
        self._drawn = 0.0

    def show(self, trials: "list[FrozenTrial]") -> None:
        """Takes the study's trials as they are now."""
        ended = {trial.number for trial in trials if trial.state.is_finished()}
        if self._ended is None:
            self._bar.initial = self._bar.n = len(ended)  # the time left is told by what is done from now on
            self._ended = ended
        for trial in trials:
            if trial.number in ended - self._ended:
                tqdm.write(self._line(trial))
        self._ended = ended
        self._bar.n = len(ended)
        running = [trial for trial in trials if trial.state.name == "RUNNING"]
        now = " ".join(f"{trial.number}:{_figure(reading.last_value(trial))}" for trial in running)
        self._bar.set_postfix_str(f"best {self._best()}, running {now or 'none'}{self._budget(trials)}", refresh=False)
        if time.monotonic() - self._drawn >= self._pause:
            self._drawn = time.monotonic()
            self._bar.refresh()

    def _best(self) -> str:
        best = reading.best(self._study)
        return " and ".join("/".join(map(_figure, trial.values)) for trial in best[:3]) or "-"

    def _budget(self, trials: "list[FrozenTrial]") -> str:
        if self._minutes is None:
            return ""
        left = trial_claims.minutes_left(self._minutes, trials)
        return f", new trials for {left:.0f} min" if left else ", no new trials"

    def _line(self, trial: "FrozenTrial") -> str:
        values = ", ".join(f"{key} {value}" for key, value in reading.values(trial).items())
        reached = "/".join(map(_figure, trial.values or [reading.last_value(trial)]))
        why = trial.user_attrs.get("failure", reached)
        return f"trial {trial.number} {reading.WORDS[trial.state]}: {why} ({values})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"
