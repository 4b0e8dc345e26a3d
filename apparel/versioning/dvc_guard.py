"""Mends what DVC leaves broken when it is killed: `python -m apparel.versioning.dvc_guard PID`, started by each stage.

After a stage DVC writes for up to a second: the stage's entry of the run cache, then `dvc.lock`, both in place. Killed
meanwhile, it leaves parts of them, and refuses to work from then on. This process lives in a session of its own, so it
outlives such a kill. It takes away the part of an entry, and puts back the lock that was there when the stage began;
the next `dvc repro` takes the stage's outputs from the run cache, or runs it again. It may go once DVC replaces
`dvc.lock` in one step, and passes over what its run cache has no whole entry of.
"""

import json
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from apparel.utils import files
from apparel.versioning import dvc_lock

if TYPE_CHECKING:
    from dvc.lock import LockBase

DVC = Path(".dvc")
SHELLS = ("sh", "bash", "dash", "zsh", "ksh", "fish", "cmd.exe")
"""DVC starts a stage through one of them."""

SECONDS_BETWEEN_LOOKS = 0.1


def watch(process: psutil.Process | None) -> None:
    """Waits until that process has written a lock, or is gone; what it left broken is mended then."""
    before = dvc_lock.contents(Path())
    while process and _runs(process):
        time.sleep(SECONDS_BETWEEN_LOOKS)
        now = dvc_lock.contents(Path())
        if now != before and all(map(dvc_lock.is_whole, now.values())):
            return
    with _held("lock"):
        _mend_locks(before)
        _drop_parts()
    with _held("rwlock.lock"):
        _mend_who_is_at_work(DVC / "tmp" / "rwlock")


def behind_shells(number: int) -> psutil.Process | None:
    """The process of that number, or the nearest above it that is neither a shell nor the launcher which starts
    Python in a virtual environment on Windows; None when it is gone."""
    with suppress(psutil.NoSuchProcess):
        family = [psutil.Process(number), *psutil.Process(number).parents()]
        return next((each for each in family if not (each.name() in SHELLS or _is_launcher(each))), None)
    return None


def _is_launcher(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return " ".join(process.cmdline()[1:3]).startswith("-m stages.")
    return False


def cache() -> Path:
    """DVC's cache, as the configuration in this folder has it."""
    return Path(_configuration()["cache"].get("dir", DVC / "cache"))


def _configuration() -> dict[str, dict[str, Any]]:
    from dvc.config import Config

    return Config(str(DVC.resolve()))


def _held(name: str) -> "LockBase":
    """DVC's own lock of that name, waited for: another DVC may be in the middle of writing what looks broken."""
    from dvc.lock import make_lock

    folder = DVC / "tmp"
    folder.mkdir(parents=True, exist_ok=True)
    hardlink = _configuration()["core"].get("hardlink_lock", False)
    return make_lock(str(folder / name), tmp_dir=str(folder), hardlink_lock=hardlink, wait=True)


def _mend_locks(before: dict[str, bytes | None]) -> None:
    for file, content in dvc_lock.contents(Path()).items():
        if dvc_lock.is_whole(content) or _is_open(Path(file)):  # git writes it, too, and knows nothing of DVC's locks
            continue
        if before[file] and dvc_lock.is_whole(before[file]):
            files.write_text(Path(file), before[file].decode("utf-8"))
        else:
            Path(file).unlink()


def _drop_parts() -> None:
    """The parts of entries of the run cache, but for those of other projects that share it and are at work."""
    for part in cache().glob("runs/*/*/*.tmp"):
        if not _is_open(part):
            part.unlink(missing_ok=True)
            with suppress(OSError):  # there are other entries; DVC stumbles over a folder without any
                part.parent.rmdir()


def _mend_who_is_at_work(rwlock: Path) -> None:
    """DVC's list of who reads and writes what: the ones it names are gone, and a part of it stops every other."""
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
    watch(behind_shells(int(sys.argv[1])))
