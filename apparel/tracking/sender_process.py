"""The background process that sends a run to MLflow, as the process that writes the run sees it."""

import os
import subprocess
import sys
import threading
from pathlib import Path

from apparel import paths
from apparel.tracking.outbox import Outbox

PATIENCE = 60
"""Seconds that the end of a run waits for unsent lines, before `sync` is left to send them."""

LATER_VARIABLE = "APPAREL_SEND_LATER"
"""Environment variable that leaves all lines in the outbox: on a machine whose runs are sent from another one."""


def is_later() -> bool:
    """Whether runs stay in this clone's outboxes, since another machine sends them."""
    return bool(os.environ.get(LATER_VARIABLE))


class SenderProcess:
    """`python -m apparel.tracking.sender` for one outbox. It ends by itself when this process ends or dies."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._process: subprocess.Popen | None = None
        if is_later():
            return
        # This copy's code comes first: the sender starts in the root folder, which may have another version of it.
        code = os.pathsep.join([str(Path(__file__).resolve().parents[2]), os.environ.get("PYTHONPATH", "")])
        with (outbox.folder / "sender.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "apparel.tracking.sender", outbox.id],
                cwd=paths.LOCAL.parent,
                env=os.environ | {"PYTHONPATH": code.rstrip(os.pathsep)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,  # a signal to the group ends the training; the sender still reports that
            )
        threading.Thread(target=self._relay_warnings, daemon=True).start()

    def finish(self) -> None:
        """Lets the process send what is left and end; warns if that takes longer than `PATIENCE` or fails."""
        if self._process is None:
            return
        self._process.stdin.close()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if next(self._outbox.unsent_lines(), None):
            _print_above_bar("MLflow does not have all of this run yet; once it can be reached: apparel sync")

    def _relay_warnings(self) -> None:
        for line in self._process.stdout:
            _print_above_bar(line.decode(errors="replace").strip())


def _print_above_bar(text: str) -> None:
    from tqdm import tqdm

    tqdm.write(text, file=sys.stderr)  # print() would break into the progress bar
