"""Why a training ended badly, from its log."""

import re
from collections.abc import Iterable
from pathlib import Path

from optuna.trial import FrozenTrial, TrialState

from apparel.utils import processes

LINES = 30
IN_A_ROW = 3
REASON = re.compile(r"^(error: .+|(?:[\w.]+\.)?\w*(?:Error|Exception|Exit)\b.*|ERROR: .+)")


def last_lines(log: Path) -> str:
    """The end of a log; a progress bar that was drawn over itself is one line."""
    lines = log.read_text(encoding="utf-8", errors="replace").replace("\0", "").splitlines()
    drawn = [line.rsplit("\r", 1)[-1].rstrip() for line in lines]
    return "\n".join([line for line in drawn if line][-LINES:])


def reason(log: str) -> str:
    """The last line that names an error, our own or Python's before DVC's, which only says that a stage failed."""
    found = [match.group(1) for line in log.splitlines() if (match := REASON.match(line.strip()))]
    own = [line for line in found if not line.startswith("ERROR: ")]
    return (own or found or log.splitlines() or ["it ended without a word"])[-1][:500]


def signal_of(log: str, status: int) -> str | None:
    """The signal that killed the training or DVC around it, such as `SIGKILL`; None when it ended by itself."""
    exits = re.findall(r"exited with (-?\d+)", log)
    return processes.signal_name(status) or (processes.signal_name(int(exits[-1])) if exits else None)


def repeated(trials: Iterable[FrozenTrial], before: set[int]) -> str | None:
    """The reason that the last three trials to end share, leaving out those numbered in `before`."""
    ended = [trial for trial in trials if trial.datetime_complete and trial.number not in before]
    last = sorted(ended, key=lambda trial: trial.datetime_complete)[-IN_A_ROW:]
    if len(last) < IN_A_ROW or any(trial.state != TrialState.FAIL for trial in last):
        return None
    reasons = [trial.user_attrs.get("failure", "") for trial in last]
    return reasons[-1] if len({re.sub(r"[\d.]+", "#", each) for each in reasons}) == 1 else None
