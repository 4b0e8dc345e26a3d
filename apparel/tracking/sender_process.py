"""The process that sends a run to MLflow, as the one that writes the run sees it."""

import os
import subprocess
import sys
import threading
from pathlib import Path

from apparel import paths
from apparel.tracking.outbox import Outbox

PATIENCE = 60
"""Seconds that the end of a run waits for what is not sent yet."""


class Sending:
    """The process that sends. It ends by itself once this one has ended or died, whichever way."""

    def __init__(self, box: Outbox) -> None:
        self._box = box
        # Where this code lies comes first, since the sender starts in the root, which may have another version of it.
        code = os.pathsep.join([str(Path(__file__).resolve().parents[2]), os.environ.get("PYTHONPATH", "")])
        with (box.folder / "sender.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "apparel.tracking.sender", box.id],
                cwd=paths.LOCAL.parent,
                env=os.environ | {"PYTHONPATH": code.rstrip(os.pathsep)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,  # Ctrl-C and a signal to the group end the training; this one still sends why
            )
        threading.Thread(target=self._relay, daemon=True).start()

    def finish(self) -> None:
        """Lets it send what is left and end; says how to go on when that takes too long or can't be done."""
        self._process.stdin.close()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if next(self._box.waiting(), None):
            _say("MLflow does not have all of this run yet; once it can be reached: python -m apparel sync")

    def _relay(self) -> None:
        for line in self._process.stdout:
            _say(line.decode(errors="replace").strip())


def _say(text: str) -> None:
    from tqdm import tqdm

    tqdm.write(text, file=sys.stderr)  # above the progress bar, not through it
