"""Reason of a failed training, read from its log."""

import re
from collections.abc import Iterable
from pathlib import Path

from optuna.trial import FrozenTrial, TrialState

from apparel.utils import processes

LINES = 30
"""Last lines of a log that are kept with a failed trial."""

FAILURES_IN_A_ROW = 3
"""Trials with the same failure, after which the sweep stops: what is wrong is then not the trial's values."""

REASON = re.compile(r"^(error: .+|(?:[\w.]+\.)?\w*(?:Error|Exception|Exit)\b.*|ERROR: .+)")
"""Lines that name an error: our own, Python's, and DVC's."""


def last_lines(log: Path) -> str:
    """The last lines of a log; of a progress bar, which overwrites itself, only what was drawn last."""
    lines = log.read_text(encoding="utf-8", errors="replace").replace("\0", "").splitlines()
    visible = [line.rsplit("\r", 1)[-1].rstrip() for line in lines]
    return "\n".join([line for line in visible if line][-LINES:])


def failure_reason(log: str) -> str:
    """The last line that names an error; DVC's own only if there is no other: it just says that a stage failed."""
    reasons = [match.group(1) for line in log.splitlines() if (match := REASON.match(line.strip()))]
    specific = [line for line in reasons if not line.startswith("ERROR: ")]
    return (specific or reasons or log.splitlines() or ["it ended without a message"])[-1][:500]


def killing_signal(log: str, status: int) -> str | None:
    """The signal that killed the training or the DVC process around it, such as `SIGKILL`; None if there was none."""
    exits = re.findall(r"exited with (-?\d+)", log)
    return processes.signal_name(status) or (processes.signal_name(int(exits[-1])) if exits else None)


def repeated_failure(trials: Iterable[FrozenTrial], ignored: set[int]) -> str | None:
    """The failure that the last three trials to end have in common, but for numbers in it; None if they have none.

    Args:
        trials: of the study.
        ignored: numbers of trials that do not count, since they ended before this sweep was started.
    """
    ended = [trial for trial in trials if trial.datetime_complete and trial.number not in ignored]
    last = sorted(ended, key=lambda trial: trial.datetime_complete)[-FAILURES_IN_A_ROW:]
    if len(last) < FAILURES_IN_A_ROW or any(trial.state != TrialState.FAIL for trial in last):
        return None
    reasons = [trial.user_attrs.get("failure", "") for trial in last]
    return reasons[-1] if len({re.sub(r"[\d.]+", "#", reason) for reason in reasons}) == 1 else None
