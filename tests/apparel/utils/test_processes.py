"""A process is recognised by its start, and ended with all that it started."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from apparel.utils import processes

PIPES = ("stdin", "stdout", "stderr")

PARENT = (
    "import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', 'input()']); print(p.pid, flush=True); input()"
)


def test_a_process_is_ended_with_its_children() -> None:
    parent = processes.start([sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    child = psutil.Process(int(parent.stdout.readline()))
    known = processes.describe(parent.pid)
    assert processes.is_here(known)
    assert processes.is_alive(known)
    assert not processes.is_alive(known | {"started": known["started"] - 60})  # another process of the same number
    processes.end(known)
    parent.wait()
    assert not processes.is_alive(known)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


@pytest.mark.skipif(sys.platform == "win32", reason="process groups")
def test_sigint_interrupts_what_a_command_in_the_background_starts() -> None:
    """A shell's `apparel run &` ignores SIGINT, and its DVC unlocked nothing when it was told to end."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process = processes.start(
            [sys.executable, "-c", "print(flush=True); input()"], **dict.fromkeys(PIPES, subprocess.PIPE)
        )
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN, "this process goes on ignoring it"
    finally:
        signal.signal(signal.SIGINT, before)
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert b"KeyboardInterrupt" in errors


def test_python_is_the_interpreter_that_runs_now() -> None:
    environment = processes.with_this_python({"PATH": "/bin", "A": "b"})
    assert environment == {"PATH": f"{Path(sys.executable).parent}{os.pathsep}/bin", "A": "b"}


def test_a_signal_is_named() -> None:
    assert processes.signal_name(-9) == processes.signal_name(137) == "SIGKILL"
    assert [processes.signal_name(status) for status in (0, 1, 255)] == [None, None, None]


@pytest.mark.skipif(sys.platform == "win32", reason="process groups")
def test_the_children_of_a_dead_process_are_ended():
    code = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(99)']); "
    for rest in ("print(flush=True); time.sleep(99)", "print(flush=True)"):
        process = processes.start([sys.executable, "-c", code + rest], stdout=subprocess.PIPE)
        known = processes.describe(process.pid)
        process.stdout.readline()
        if "sleep" not in rest:
            process.wait()
        processes.end(known)
        assert process.wait() == (-9 if "sleep" in rest else 0), "its exit status can still be read"
        assert not processes.is_alive(known)
        assert not processes._orphans(known)
        process.stdout.close()
