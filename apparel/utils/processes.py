"""Processes: an identity that survives the reuse of process ids (host, id and start), starting, and ending a family."""

import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

SECONDS_TO_END = 20
SECONDS_OF_DRIFT = 5
"""The start of a process is told by the clock of the machine, which may be set right meanwhile."""


def describe(pid: int | None = None) -> dict[str, Any]:
    """`host`, `pid` and `started` of a process that runs or was not waited for yet; of this one when None."""
    process = psutil.Process(pid)
    return {"host": host(), "pid": process.pid, "started": process.create_time()}


def host() -> str:
    """This machine: its name, and the address of its network card, since copies of a machine share the name."""
    address = uuid.getnode()
    is_made_up = address >> 40 & 1  # another one in each process
    return socket.gethostname() if is_made_up else f"{socket.gethostname()}-{address:x}"


def is_here(known: dict[str, Any]) -> bool:
    """Whether it ran on this machine."""
    return known.get("host") == host()


def is_alive(known: dict[str, Any]) -> bool:
    """Whether a process of this machine still runs."""
    try:
        process = psutil.Process(known["pid"])
        same = abs(process.create_time() - known["started"]) < SECONDS_OF_DRIFT
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def start(command: list[str], **options: Any) -> subprocess.Popen:
    """Starts a process with a group of its own, which `end` ends as a whole."""
    if sys.platform == "win32":
        return subprocess.Popen(command, creationflags=subprocess.CREATE_NEW_PROCESS_GROUP, **options)
    return subprocess.Popen(command, start_new_session=True, **options)


def with_this_python(environment: Mapping[str, str]) -> dict[str, str]:
    """`environment` with `python` as the interpreter that runs now, with or without its own environment activated.

    DVC needs it: the stages in dvc.yaml say `python`.
    """
    programs = os.pathsep.join([str(Path(sys.executable).parent), environment.get("PATH", "")])
    return {**environment, "PATH": programs}


def end(known: dict[str, Any]) -> None:
    """Kills a process of this machine with all that it started, and waits; does nothing when they are gone."""
    family = kill(known)
    until = time.monotonic() + SECONDS_TO_END
    # psutil's own way of waiting would take the exit status of a child, which its `Popen` then takes for a 0.
    while any(map(_still_runs, family)) and time.monotonic() < until:
        time.sleep(0.05)


def kill(known: dict[str, Any]) -> list[psutil.Process]:
    """Kills, and does not wait; returns whom.

    Killed, not asked: trainings lose nothing that way, and one that is stuck does not answer.
    """
    if not is_here(known):
        return []
    family = _left(known)
    if is_alive(known):
        process = psutil.Process(known["pid"])
        family = [process, *_children(process)]
    for each in family:
        try:
            each.kill()
        except psutil.NoSuchProcess:
            continue
    return family


def _still_runs(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def children() -> list[dict[str, Any]]:
    """What this process started and that still runs."""
    return [describe(child.pid) for child in psutil.Process().children()]


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _left(known: dict[str, Any]) -> list[psutil.Process]:
    """Members of a group whose leader died: children that no parent leads to any more."""
    if sys.platform == "win32" or psutil.pid_exists(known["pid"]):
        return []
    found = []
    for process in psutil.process_iter():
        try:
            same = os.getpgid(process.pid) == known["pid"] and process.create_time() >= known["started"] - 1
            if same and _still_runs(process):
                found.append(process)
        except (ProcessLookupError, PermissionError, psutil.NoSuchProcess):
            continue
    return found


def interrupt_on_termination() -> None:
    """Makes SIGTERM and SIGHUP raise `KeyboardInterrupt`, as Ctrl-C does: processes are ended and files removed."""
    for name in ("SIGTERM", "SIGHUP"):
        # nohup ignores SIGHUP, which has to stay so; Windows has no SIGHUP.
        if hasattr(signal, name) and signal.getsignal(getattr(signal, name)) is signal.SIG_DFL:
            signal.signal(getattr(signal, name), signal.default_int_handler)


def signal_name(status: int) -> str | None:
    """`SIGKILL` for the exit status of a process, or of a shell around it, that was killed; None for another end."""
    number = -status if status < 0 else status - 128
    try:
        return signal.Signals(number).name if number > 0 else None
    except ValueError:
        return None
