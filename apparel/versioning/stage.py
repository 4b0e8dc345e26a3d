"""Context of a stage's work: one process at a time in a folder, inputs that stay the same, a guard beside DVC."""

import gc
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from apparel import paths
from apparel.errors import Stopped, UserError
from apparel.utils import locking
from apparel.versioning import durations, removed_outputs, stage_inputs

SIGNALS = {
    "SIGTERM": "the stage was ended by SIGTERM",
    "SIGHUP": "the terminal of the stage was closed",
    "SIGUSR1": "DVC ended before its stage",
}
"""Signals that end a stage in order, with the reason for MLflow; the last comes from the guard. Windows has no such."""


@contextmanager
def stage(name: str, machine: int = 0) -> Iterator[None]:
    """Around a stage's work, or as the decorator of its `main`; two processes at once would mix their outputs.

    If DVC runs the stage, a guard ends it when DVC is killed, and repairs what that would break, see
    `apparel/versioning/dvc_guard.py`. How long the work took is recorded, for what the next run says before it starts.

    Args:
        name: of the stage.
        machine: number of this one where several do the work, which may share the folder; DVC runs that of machine 0.

    Raises:
        UserError: the stage is running in this folder already, or what it reads changed while it ran.
    """
    gc.freeze()  # what was imported stays, so that no collection needs to look at it
    gc.enable()
    refusal = f"the stage {name} is running already in this folder; wait for it to end, or stop it"
    with (
        locking.only_one(paths.STAGE_LOCKS / (f"{name}-{machine}.lock" if machine else f"{name}.lock"), refusal),
        stage_inputs.unchanged(name),
        _stopped_by_signals(),
    ):
        if "DVC_STAGE" in os.environ:
            _start_dvc_guard(name)
        start = time.monotonic()
        try:
            yield
        except UserError as error:
            if type(error) is not UserError:  # pruned or stopped, which is no refusal
                raise
            raise UserError(f"{error}{removed_outputs.way_back(name)}") from None
        durations.record(name, time.monotonic() - start)


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """Makes `SIGNALS` raise `Stopped`, so that MLflow hears of the end; the checkpoints stay."""
    numbers = {getattr(signal, name): reason for name, reason in SIGNALS.items() if hasattr(signal, name)}
    if threading.current_thread() is not threading.main_thread():
        numbers = {}  # only the main thread may handle signals

    def stop(number: int, _: object) -> None:
        for other in handled:  # a closed terminal sends SIGHUP, and the guard follows: one is enough
            signal.signal(other, lambda *_: None)
        raise Stopped(f"{numbers[number]}; the next run continues")

    handled = [number for number in numbers if signal.getsignal(number) is signal.SIG_DFL]  # nohup ignores SIGHUP
    for number in handled:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number in handled:
            signal.signal(number, signal.SIG_DFL)


def _start_dvc_guard(stage: str) -> None:
    command = [sys.executable, "-m", "apparel.versioning.dvc_guard", str(os.getppid()), str(os.getpid()), stage]
    locks = [path.with_suffix(".lock") for path in stage_inputs.PIPELINES]
    before = {path.as_posix(): path.read_bytes() if path.is_file() else None for path in locks}
    nothing = subprocess.DEVNULL
    with tempfile.TemporaryFile() as start:  # through a pipe, the stage would wait for the guard to read it
        pickle.dump((before, stage_inputs.started(stage), time.time()), start)
        start.seek(0)
        subprocess.Popen(command, stdin=start, stdout=nothing, stderr=nothing, start_new_session=True)
