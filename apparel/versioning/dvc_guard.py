"""Ends a stage whose DVC was killed, and repairs DVC's files.

    python -m apparel.versioning.dvc_guard PID STAGE_PID STAGE < a pickled `Start`

After a stage DVC writes for up to a second: the stage's entry of the run cache, then `dvc.lock`, both in place. Killed
meanwhile, it leaves incomplete files, and refuses to work from then on. Each stage starts this process in a session of
its own, so that it outlives such a kill. It removes an incomplete entry, and restores the `dvc.lock` that was there
when the stage began; the next `dvc repro` takes the stage's outputs from the run cache, or runs the stage again.

A signal to DVC alone leaves its stage at work, whose result nobody would take. The guard ends the stage then: its
checkpoints stay, and the next `dvc repro` resumes from them.

A killed `dvc exp run` leaves git's HEAD detached: the guard puts it back on its branch.

An input that is edited after the stage has ended and before DVC reads it would be recorded as used: the guard removes
such a record.

The guard sleeps until DVC ends, but for a look at `dvc.lock` each second: once the stage is recorded there, its work is
done, and the guard of the next stage has a newer lock to restore. It may go once DVC replaces `dvc.lock` in one step,
and ignores incomplete entries of its run cache.
"""

import json
import pickle
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import psutil

from apparel.errors import UserError
from apparel.utils import files
from apparel.versioning import dvc_lock, experiment_head, stage_inputs, stage_record

if TYPE_CHECKING:
    from dvc.lock import LockBase

DVC = Path(".dvc")
SHELLS = ("sh", "bash", "dash", "zsh", "ksh", "fish", "cmd.exe")
"""DVC starts a stage through one of them."""

SECONDS_BETWEEN_LOOKS = 1.0
"""At `dvc.lock`; shorter than any stage, so that rarely two guards are at work."""


SECONDS_TO_END = 90
"""How long the stage may take to end before it is killed; MLflow's last lines may take a minute."""


class Start(NamedTuple):
    """What was there when a stage started."""

    locks: dict[str, bytes | None]  # contents of `dvc_lock.FILES`
    used: stage_inputs.StageInputs | None = None  # what the stage reads
    time: float = 0.0  # Unix time


def watch(
    dvc: psutil.Process | None, stage: psutil.Process | None = None, name: str = "", start: Start | None = None
) -> None:
    """Waits until DVC has recorded the stage in `dvc.lock`, or has ended; ends the stage then, if it is still at work,
    and repairs what DVC left incomplete, or recorded although the stage did not use it.

    Args:
        dvc: DVC's process.
        stage: the stage's process.
        name: of the stage.
        start: what was there when the stage started; by default, what is there now.
    """
    start = start or Start(dvc_lock.read_files(Path()))
    before = start.locks
    while dvc and _runs(dvc):
        with suppress(psutil.TimeoutExpired):
            dvc.wait(SECONDS_BETWEEN_LOOKS)  # a killed DVC wakes the guard at once
        now = dvc_lock.read_files(Path())
        if now == before or not all(map(dvc_lock.is_whole, now.values())):
            continue
        if not (stage and _runs(stage)):
            _remove_false_record(name, start)
            return
        before = now  # DVC records no stage that is at work: git, or a person, changed the file
    if stage:
        _end_stage(stage)
    with _lock_of_dvc("lock"):
        _restore_dvc_locks(before)
        _remove_incomplete_entries()
    with _lock_of_dvc("rwlock.lock"):
        _remove_broken_rwlock(DVC / "tmp" / "rwlock")
    _remove_false_record(name, start)
    with suppress(UserError):  # git cannot be read; the next `apparel run` says so
        experiment_head.restore()


def _remove_false_record(name: str, start: Start) -> None:
    entry = stage_record.false_record(name, start.used) if start.used else None
    if entry:
        with _lock_of_dvc("lock"):
            stage_record.remove(name, entry, cache_folder(), start.time)


def _end_stage(stage: psutil.Process) -> None:
    """Ends a stage in order; one that does not react is killed."""
    with suppress(psutil.Error):
        if sys.platform == "win32":
            stage.terminate()
        elif _runs(stage):
            stage.send_signal(signal.SIGUSR1)
        stage.wait(SECONDS_TO_END)
    with suppress(psutil.Error):
        stage.kill()


def dvc_process(pid: int) -> psutil.Process | None:
    """The process `pid`, or its nearest ancestor that is neither a shell nor the launcher that starts Python in a
    virtual environment on Windows; None when it has ended."""
    with suppress(psutil.NoSuchProcess):
        ancestors = [psutil.Process(pid), *psutil.Process(pid).parents()]
        return next((process for process in ancestors if not _is_between(process)), None)
    return None


def stage_process(pid: int) -> psutil.Process | None:
    """The process `pid`; None when it has ended."""
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid)
    return None


def _is_between(process: psutil.Process) -> bool:
    """Whether a process lies between DVC and the stage that it runs."""
    return process.name() in SHELLS or _is_launcher(process)


def _is_launcher(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return " ".join(process.cmdline()[1:3]).startswith("-m stages.")
    return False


def cache_folder() -> Path:
    """DVC's cache, as the configuration in this folder has it."""
    return Path(_configuration()["cache"].get("dir", DVC / "cache"))


def _configuration() -> dict[str, dict[str, Any]]:
    from dvc.config import Config

    return Config(str(DVC.resolve()))


def _lock_of_dvc(name: str) -> "LockBase":
    """DVC's own lock of that name, waited for: another DVC may be writing just what looks broken."""
    from dvc.lock import make_lock

    folder = DVC / "tmp"
    folder.mkdir(parents=True, exist_ok=True)
    hardlink = _configuration()["core"].get("hardlink_lock", False)
    return make_lock(str(folder / name), tmp_dir=str(folder), hardlink_lock=hardlink, wait=True)


def _restore_dvc_locks(before: dict[str, bytes | None]) -> None:
    for file, content in dvc_lock.read_files(Path()).items():
        if dvc_lock.is_whole(content) or _is_open(Path(file)):  # git writes it, too, without DVC's locks
            continue
        if before[file] and dvc_lock.is_whole(before[file]):
            files.write_text(Path(file), before[file].decode("utf-8"))
        else:
            Path(file).unlink()


def _remove_incomplete_entries() -> None:
    """Removes incomplete entries of the run cache, but not those that other projects which share it are writing."""
    for part in cache_folder().glob("runs/*/*/*.tmp"):
        if not _is_open(part):
            part.unlink(missing_ok=True)
            with suppress(OSError):  # not empty; DVC fails at an empty one
                part.parent.rmdir()


def _remove_broken_rwlock(rwlock: Path) -> None:
    """Removes DVC's list of who reads and writes what, if it is incomplete: no DVC could start with it."""
    try:
        json.loads(rwlock.read_bytes() if rwlock.exists() else b"{}")
    except ValueError:
        rwlock.unlink()


def _runs(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def _is_open(path: Path) -> bool:
    """Whether a process of this user has the file open."""
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if str(path.resolve()) in [opened.path for opened in process.open_files()]:
                return True
    return False


if __name__ == "__main__":
    started = Start(*pickle.load(sys.stdin.buffer))  # noqa: S301 - of the stage that started this process
    watch(dvc_process(int(sys.argv[1])), stage_process(int(sys.argv[2])), sys.argv[3], started)
