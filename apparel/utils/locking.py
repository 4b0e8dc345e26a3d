"""One process at a time does a thing: a second one is refused, and says why."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from apparel.errors import UserError

HERE = Path(".apparel")
"""In the copy of the project that an experiment runs in, its own: the stages of two experiments may run at once."""

TRAINING_UNDER_WAY = "this training is under way in another process; wait for it, or stop it"


@contextmanager
def only_one(lock: Path, refusal: str) -> Iterator[None]:
    """Holds the file `lock`; the system lets go of it when the process ends, whichever way.

    Raises:
        UserError: another process holds it; `refusal` is the message.
    """
    from filelock import FileLock, Timeout

    lock.parent.mkdir(parents=True, exist_ok=True)
    held = FileLock(lock)
    try:
        held.acquire(timeout=0)
    except Timeout:
        raise UserError(refusal) from None
    try:
        yield
    finally:
        held.release()


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Around a stage's work, or as the decorator of its `main`: two of them would mix their outputs.

    What a kill would leave of a DVC that runs the stage is mended, see `apparel/versioning/dvc_guard.py`.
    """
    refusal = f"the stage {name} is running already in this folder; wait for it to end, or stop it"
    with only_one(HERE / f"{name}.lock", refusal):
        if "DVC_STAGE" in os.environ:
            _guard_dvc()
        yield


def _guard_dvc() -> None:
    command = [sys.executable, "-m", "apparel.versioning.dvc_guard", str(os.getppid())]
    nothing = subprocess.DEVNULL
    subprocess.Popen(command, stdin=nothing, stdout=nothing, stderr=nothing, start_new_session=True)
