"""Process identity that survives the reuse of process ids (host, id and start time); starts and ends of processes."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from apparel.utils import process_guard

SECONDS_TO_END = 20
"""How long `end` waits for killed processes."""

SECONDS_OF_DRIFT = 5
"""Tolerance of start times: the system derives them from its clock, which may be adjusted meanwhile."""


def describe(pid: int | None = None) -> dict[str, Any]:
    """The identity of a process: `host`, `pid` and `started` (seconds since 1970); of this one when `pid` is None.

    The process may have ended, but not been waited for.
    """
    process = psutil.Process(pid)
    return {"host": host(), "pid": process.pid, "started": process.create_time()}


def host() -> str:
    """This machine's name and the address of its network card, since copies of a machine share the name."""
    address = uuid.getnode()
    is_random = address >> 40 & 1  # no card was found; each process has another one
    return socket.gethostname() if is_random else f"{socket.gethostname()}-{address:x}"


def is_here(identity: dict[str, Any]) -> bool:
    """Whether a process ran on this machine."""
    return identity.get("host") == host()


def is_alive(identity: dict[str, Any]) -> bool:
    """Whether a process of this machine still runs."""
    try:
        process = psutil.Process(identity["pid"])
        same = abs(process.create_time() - identity["started"]) < SECONDS_OF_DRIFT
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def start(command: list[str], **options: Any) -> subprocess.Popen:
    """Starts a process in a group of its own, which `end` ends as a whole; SIGINT interrupts it in any case.

    Shells let commands in the background ignore SIGINT, and what these start inherits that.
    """
    if sys.platform == "win32":
        return subprocess.Popen(command, creationflags=subprocess.CREATE_NEW_PROCESS_GROUP, **options)
    in_main_thread = threading.current_thread() is threading.main_thread()  # no other may set a signal's handler
    ignored = in_main_thread and signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    if ignored:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        return subprocess.Popen(command, start_new_session=True, **options)
    finally:
        if ignored:
            signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def guarded(command: list[str], **options: Any) -> Iterator[subprocess.Popen]:
    """A command that ends, with all that it started, at the end of the block, or when this process is killed.

    It stays in this process's group, so that Ctrl-C reaches it and it may ask on the terminal.
    """
    guard = [sys.executable, "-P", process_guard.__file__, str(os.getpid())]
    with subprocess.Popen([*guard, *command], **options) as process:
        try:
            yield process
        finally:
            if process.stdin:
                with suppress(BrokenPipeError):  # of words that a command which has ended did not read
                    process.stdin.close()
            if process.poll() is None:
                end(describe(process.pid))


def with_this_python(environment: Mapping[str, str]) -> dict[str, str]:
    """`environment` with `python` as the interpreter that runs now, with or without its own environment activated.

    DVC needs it: the stages in dvc.yaml say `python`.
    """
    programs = os.pathsep.join([str(Path(sys.executable).parent), environment.get("PATH", "")])
    return {**environment, "PATH": programs}


def end(identity: dict[str, Any]) -> None:
    """Kills a process of this machine with all that it started, and waits; does nothing when they have ended."""
    family = kill(identity)
    until = time.monotonic() + SECONDS_TO_END
    # psutil.wait_procs would collect the exit status of a child, and its `Popen` would report 0.
    while any(map(_still_runs, family)) and time.monotonic() < until:
        time.sleep(0.05)


def kill(identity: dict[str, Any]) -> list[psutil.Process]:
    """Kills a process with all that it started, without waiting; returns them.

    No process is asked to end first: trainings lose nothing when killed, and one that is stuck would not react.
    """
    if not is_here(identity):
        return []
    family = _orphans(identity)
    if is_alive(identity):
        process = psutil.Process(identity["pid"])
        family = [process, *_children(process)]
    for process in family:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    return family


def _still_runs(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def children() -> list[dict[str, Any]]:
    """The identities of this process's children that still run."""
    return [describe(child.pid) for child in psutil.Process().children()]


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _orphans(identity: dict[str, Any]) -> list[psutil.Process]:
    """Members of a process group whose leader has ended: no parent leads to them any more."""
    if sys.platform == "win32" or psutil.pid_exists(identity["pid"]):
        return []
    orphans = []
    for process in psutil.process_iter():
        try:
            same = os.getpgid(process.pid) == identity["pid"] and process.create_time() >= identity["started"] - 1
            if same and _still_runs(process):
                orphans.append(process)
        except (ProcessLookupError, PermissionError, psutil.NoSuchProcess):
            continue
    return orphans


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
