"""Guard of a child process: runs a command, and ends it with all that it started once the parent has died.

`python process_guard.py PARENT COMMAND ...`, which `apparel.utils.processes.guarded` starts. Linux's signal for this
would reach the command alone: `git clone` starts helpers, and one that waits for a server outlives it.
"""

import subprocess
import sys
import time
from contextlib import suppress

import psutil

SECONDS_BETWEEN_LOOKS = 0.1
"""At the command and the parent; a command is reported as ended this much later."""


def main() -> None:
    """Runs the command; exits with its status, or with 1 when it or the parent was killed."""
    parent = psutil.Process(int(sys.argv[1]))
    command = subprocess.Popen(sys.argv[2:])
    while command.poll() is None:
        with suppress(KeyboardInterrupt):  # of the terminal: it reaches the command, too
            if not _runs(parent):
                _kill(command.pid)
                sys.exit(1)
            time.sleep(SECONDS_BETWEEN_LOOKS)
    sys.exit(command.returncode if command.returncode >= 0 else 1)


def _runs(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def _kill(pid: int) -> None:
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for member in [process, *process.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                member.kill()


if __name__ == "__main__":
    main()
