"""Trainings that the fork server of a worker runs, see `apparel/sweeps/fork_server.py`."""

import json
import select
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from apparel.sweeps.fork_server import Request
from apparel.utils import processes

AVAILABLE = sys.platform == "linux"
"""macOS's libraries do not work in a forked process, and Windows cannot fork."""


class ForkServer:
    """A fork server; it ends, with what it forked, when this process ends or `close` is called.

    Args:
        module: the stage that it imports, such as `stages.train`.
        options: of `subprocess.Popen`: folder and environment.
    """

    def __init__(self, module: str, **options: Any) -> None:
        command = [sys.executable, "-m", "apparel.sweeps.fork_server", module]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        self._process = processes.start(command, **pipes, **options)

    def run_dvc(self, arguments: list[str], environment: dict[str, str], log: Path) -> "ForkedProcess | None":
        """Starts `dvc` with these arguments, in a process group of its own.

        Returns:
            The process; None where the server has ended, or the code has changed since it imported it: then the
            caller starts a process of its own.
        """
        request = Request(arguments, environment, str(log.absolute()))
        try:
            self._process.stdin.write(request.to_json_line())
            self._process.stdin.flush()
        except OSError:
            return None
        process = self.read_answer().get("process")
        return ForkedProcess(self, process) if process else None

    def read_answer(self, wait: bool = True) -> dict[str, Any] | None:
        """The server's next answer; empty where the server has ended, None where there is none yet."""
        if not wait and not select.select([self._process.stdout], [], [], 0)[0]:
            return None
        try:
            return json.loads(self._process.stdout.readline())
        except ValueError:
            return {}

    def close(self) -> None:
        """Ends the server, with what it forked."""
        with suppress(OSError):  # of a request that it did not read
            self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


class ForkedProcess:
    """A process that the server forked, with the methods of `subprocess.Popen` that a trial needs.

    Args:
        server: that forked it.
        identity: of the process, see `processes.describe`; it may have ended, and the server have waited for it.
    """

    def __init__(self, server: ForkServer, identity: dict[str, Any]) -> None:
        self._server, self.identity = server, identity
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Exit status, negative for a signal; None as long as the process runs.

        Where the server is gone the process is ended, and counts as killed.
        """
        if self.returncode is None:
            answer = self._server.read_answer(wait=False)
            if answer == {}:
                processes.end(self.identity)
            self.returncode = answer if answer is None else answer.get("status", -signal.SIGKILL)
        return self.returncode


def identify(process: subprocess.Popen | ForkedProcess) -> dict[str, Any]:
    """The identity of a training's process, see `processes.describe`."""
    return process.identity if isinstance(process, ForkedProcess) else processes.describe(process.pid)
