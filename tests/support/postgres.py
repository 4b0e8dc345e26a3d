"""A PostgreSQL server of a test's own, which may be stopped, killed and started again; with Debian's `postgresql`."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

USER = "postgres"


class Server:
    """One cluster in a folder; `address` is that of its database, for SQLAlchemy, and stays the same."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs, self._data, self._log = programs, folder / "data", folder / "log"
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        # Nothing here has to outlive the machine, and a disk that is waited for takes a minute.
        self._options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        self.address = f"postgresql://{USER}@127.0.0.1:{port}/postgres"
        self._run("initdb", "--auth=trust", f"--username={USER}", "--encoding=UTF8", "--locale=C", "--no-sync")

    def start(self) -> None:
        """Returns once it takes connections."""
        self._run("pg_ctl", "start", "--wait", f"--log={self._log}", f"--options={self._options}")

    def stop(self, mode: str = "fast") -> None:
        """`fast` rolls back what is under way, `immediate` ends all processes at once, as a crash would."""
        self._run("pg_ctl", "stop", "--wait", f"--mode={mode}")

    def restart(self) -> None:
        """As after a crash: what was committed is there again."""
        self.stop("immediate")
        self.start()

    def _run(self, program: str, *arguments: str) -> None:
        # PostgreSQL refuses to run as root.
        as_user = ["runuser", "-u", USER, "--"] if os.geteuid() == 0 else []
        command = [*as_user, self._programs / program, f"--pgdata={self._data}", *arguments]
        # Not a pipe: the server keeps it open, and reading it would never end.
        with tempfile.TemporaryFile() as output:
            done = subprocess.run(command, cwd="/", stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False)
            output.seek(0)
            assert done.returncode == 0, output.read().decode()


@contextmanager
def server() -> Iterator[Server]:
    """A running server, in a folder that is gone with it; skips the test where PostgreSQL is not installed.

    The folder is not one of pytest's, which are closed to the user that PostgreSQL runs as.
    """
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not programs:
        pytest.skip("needs Debian's package `postgresql`: tests/install-system-packages")
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    if os.geteuid() == 0:
        shutil.chown(folder, USER, USER)
    started = Server(programs[-1], folder)
    try:
        started.start()
        yield started
    finally:
        if (folder / "data" / "postmaster.pid").exists():
            started.stop("immediate")
        shutil.rmtree(folder)
