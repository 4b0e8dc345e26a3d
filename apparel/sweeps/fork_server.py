"""Fork server of a sweep's worker: imports TensorFlow and DVC once, and forks `dvc repro train` for each trial.

A worker starts it in its clone as `python -m apparel.sweeps.fork_server stages.train`. A request is a line of JSON on
standard input, see `Request`; the answers are lines of JSON on standard output: the forked `process`, or null where the
code has changed since it was imported, and its `status` once it has ended.

The forked process is DVC, in a session of its own, and has the stage as its child, as if it had been started. The stage
is forked before DVC opens any file, and waits until DVC runs its command.

Ours in place of `multiprocessing.forkserver`, whose processes are no children of each other, share its standard output,
and cannot be a command that DVC runs.
"""

import gc
import importlib
import json
import os
import runpy
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from types import SimpleNamespace
from typing import Any

from apparel.utils import processes
from apparel.versioning import stage_inputs

DVC_MODULES = ("dvc.cli", "dvc.commands.repro", "dvc.repo", "dvc.repo.reproduce", "dvc.stage.cache", "networkx")
"""What `dvc repro` imports."""


@dataclass(frozen=True)
class Request:
    """A run of DVC.

    Attributes:
        arguments: of `dvc`.
        environment: all variables of the process.
        log: file that its output is added to.
    """

    arguments: list[str]
    environment: dict[str, str]
    log: str

    def to_json_line(self) -> bytes:
        """One line of JSON, as the server reads it."""
        return json.dumps(asdict(self)).encode() + b"\n"


def serve(module: str) -> Callable[[], object]:
    """Answers requests until standard input is closed, then ends what it forked; returns what a forked process does.

    Args:
        module: the stage's, such as `stages.train`.

    Raises:
        SystemExit: standard input is closed.
    """
    while line := sys.stdin.buffer.readline():
        if not stage_inputs.imported_code_is_current():
            _answer(process=None)
            continue
        pid = os.fork()
        if not pid:
            return lambda: _dvc(Request(**json.loads(line)), module)
        process = processes.describe(pid)
        _answer(process=process)
        status = _wait(pid)
        if status is None:
            processes.kill(process)
            break
        _answer(status=status)
    sys.exit()


def _answer(**values: Any) -> None:
    os.write(sys.stdout.fileno(), json.dumps(values).encode() + b"\n")


def _wait(pid: int) -> int | None:
    """Exit status of a forked process when it has ended; None when standard input was closed before."""
    ended = os.pidfd_open(pid)
    readable, _, _ = select.select([ended, sys.stdin.fileno()], [], [])
    os.close(ended)
    return _exit_status(pid) if ended in readable else None


def _exit_status(pid: int) -> int:
    """As `subprocess` has it: negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _dvc(request: Request, module: str) -> None:
    """What the forked process does: it runs DVC, or, in its own child, the stage."""
    os.setsid()
    log = os.open(request.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.close(nothing)
    os.close(log)
    _replace_environment(request.environment)
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(writing)
        _stage(reading, module)
        return
    os.close(reading)
    _run_dvc(request, ForkedStage(pid, writing, f"python -m {module}"))


def _run_dvc(request: Request, stage: "ForkedStage") -> None:
    import dvc.stage.run
    from dvc.cli import main

    # DVC's `_run` starts the commands of stages by `subprocess.Popen`; all else that it does stays as it is.
    dvc.stage.run.subprocess = SimpleNamespace(Popen=stage.popen, check_output=subprocess.check_output)
    sys.argv = ["dvc", *request.arguments]
    try:
        status = main(request.arguments)
    finally:
        stage.close()
    sys.exit(status)


class ForkedStage:
    """The stage's process, which waits; with the methods of `subprocess.Popen` that DVC uses.

    Args:
        pid: of the process, a child of this one.
        start: descriptor of the pipe that it waits at.
        command: that it stands for.
    """

    def __init__(self, pid: int, start: int, command: str) -> None:
        self._pid, self._start, self._command = pid, start, command
        self.returncode: int | None = None

    def popen(self, command: list[str] | str, **options: Any) -> "ForkedStage | subprocess.Popen":
        """As `subprocess.Popen`: the forked process for the stage's command, a started one for any other."""
        if command[-1] == self._command and self._start >= 0:
            with suppress(OSError), os.fdopen(self._start, "wb") as pipe:
                self._start = -1
                pipe.write(json.dumps({"folder": str(options["cwd"]), "environment": options["env"]}).encode())
                return self
        return subprocess.Popen(command, **options)

    def communicate(self) -> None:
        """Waits for the end."""
        self.returncode = _exit_status(self._pid)

    def close(self) -> None:
        """Ends the process if it never began."""
        if self._start >= 0:
            os.close(self._start)
            self._start = -1
            self.communicate()


def _stage(reading: int, module: str) -> None:
    """Runs the stage as `python -m` does, once DVC says in which folder and environment; without that it ends."""
    with os.fdopen(reading, "rb") as pipe:
        content = pipe.read()
    if not content:
        os._exit(0)
    start = json.loads(content)
    os.chdir(start["folder"])
    _replace_environment(start["environment"])
    sys.argv = [module]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _replace_environment(variables: dict[str, str]) -> None:
    for name in os.environ.keys() - variables.keys():
        del os.environ[name]
    os.environ.update(variables)


def _import(module: str) -> None:
    """Imports all that the stage and DVC need, but not the stage itself, which `runpy` executes."""
    package, _, name = module.rpartition(".")
    importlib.import_module(module)
    delattr(sys.modules[package], name)
    del sys.modules[module]
    for other in DVC_MODULES:
        importlib.import_module(other)


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    gc.disable()  # what is imported stays, so that no collection needs to look at it; each forked process enables it
    _import(sys.argv[1])
    gc.freeze()
    serve(sys.argv[1])()


if __name__ == "__main__":
    main()
