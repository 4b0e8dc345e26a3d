"""Context of a stage's work: one process at a time in a folder, inputs that stay the same, a guard for DVC's files."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from apparel import paths
from apparel.utils import locking
from apparel.versioning import stage_inputs


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Around a stage's work, or as the decorator of its `main`; two processes at once would mix their outputs.

    If DVC runs the stage, a guard repairs what a kill of DVC would break, see `apparel/versioning/dvc_guard.py`.

    Raises:
        UserError: the stage is running in this folder already, or what it reads changed while it ran.
    """
    refusal = f"the stage {name} is running already in this folder; wait for it to end, or stop it"
    with locking.only_one(paths.STAGE_LOCKS / f"{name}.lock", refusal), stage_inputs.unchanged(name):
        if "DVC_STAGE" in os.environ:
            _start_dvc_guard()
        yield


def _start_dvc_guard() -> None:
    command = [sys.executable, "-m", "apparel.versioning.dvc_guard", str(os.getppid())]
    nothing = subprocess.DEVNULL
    subprocess.Popen(command, stdin=nothing, stdout=nothing, stderr=nothing, start_new_session=True)
