"""A fork server runs a tiny project of one DVC stage."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from apparel.sweeps import forked_training
from apparel.sweeps.forked_training import ForkedProcess, ForkServer
from apparel.utils import processes
from tests.support.repository import ROOT

pytestmark = pytest.mark.skipif(not forked_training.AVAILABLE, reason="processes are forked on Linux only")

DVC_YAML = "stages:\n  copy:\n    cmd: python -m stages.copy\n    deps: [start.txt]\n    outs: [copy.txt]\n"

PACKAGE = "from apparel.versioning import stage_inputs\n\nstage_inputs.record_code()\n"

STAGE = """\
import os, signal, sys, time

def main():
    text = open("start.txt").read()
    print("forked" if "dvc.cli" in sys.modules else "started", os.environ["WHO"], os.environ["DVC_STAGE"], flush=True)
    if text == "wait":
        time.sleep(600)
    if text == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if text == "fail":
        sys.exit("error: this cannot be copied")
    with open("copy.txt", "w") as file:
        file.write(text)

if __name__ == "__main__":
    main()
"""


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    return processes.with_this_python(os.environ) | {"PYTHONPATH": str(ROOT), "WHO": "trial 1"}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    (folder / "stages").mkdir()
    (folder / "stages" / "__init__.py").write_text(PACKAGE, encoding="utf-8")
    (folder / "stages" / "copy.py").write_text(STAGE, encoding="utf-8")
    (folder / "dvc.yaml").write_text(DVC_YAML, encoding="utf-8")
    subprocess.run([sys.executable, "-m", "dvc", "init", "--no-scm", "--quiet"], cwd=folder, check=True)
    (folder / ".dvc" / "config").write_text("[core]\n    analytics = false\n    no_scm = true\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def server(project: Path, environment: dict[str, str]) -> Iterator[ForkServer]:
    server = ForkServer("stages.copy", cwd=project, env=environment)
    yield server
    server.close()


def run(server: ForkServer, project: Path, environment: dict[str, str], text: str) -> tuple[int, str]:
    """Exit status and output of `dvc repro` where the stage reads this text."""
    (project / "start.txt").write_text(text, encoding="utf-8")
    log = project / "log.txt"
    log.unlink(missing_ok=True)
    process = server.run_dvc(["repro"], environment, log)
    assert process is not None
    return wait(process), log.read_text(encoding="utf-8")


def wait(process: ForkedProcess) -> int:
    while (status := process.poll()) is None:
        time.sleep(0.02)
    return status


def test_forked_dvc_records_what_a_started_one_does(
    server: ForkServer, project: Path, environment: dict[str, str]
) -> None:
    status, log = run(server, project, environment, "a")
    assert (status, (project / "copy.txt").read_text(encoding="utf-8")) == (0, "a")
    assert "> python -m stages.copy\nforked trial 1 copy\n" in log
    forked = (project / "dvc.lock").read_bytes()
    command = [sys.executable, "-m", "dvc", "repro", "--force"]
    started = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=True)
    assert "started trial 1 copy" in started.stdout
    assert (project / "dvc.lock").read_bytes() == forked


def test_each_run_is_a_new_process_with_its_own_environment(
    server: ForkServer, project: Path, environment: dict[str, str]
) -> None:
    assert "forked trial 2 copy" in run(server, project, environment | {"WHO": "trial 2"}, "b")[1]
    assert "didn't change" in run(server, project, environment, "b")[1]  # DVC runs nothing; the waiting stage ends
    assert "forked trial 3 copy" in run(server, project, environment | {"WHO": "trial 3"}, "c")[1]


def test_a_stage_that_fails_or_is_killed_is_one_to_dvc(
    server: ForkServer, project: Path, environment: dict[str, str]
) -> None:
    status, log = run(server, project, environment, "fail")
    assert status == 255
    assert "error: this cannot be copied" in log
    assert "failed to run: python -m stages.copy, exited with 1" in log
    status, log = run(server, project, environment, "kill")
    assert status == 255
    assert "failed to run: python -m stages.copy, exited with -9" in log


def test_dvc_that_is_killed_ends_with_its_stage(server: ForkServer, project: Path, environment: dict[str, str]) -> None:
    process = start_waiting(server, project, environment)
    processes.end(process.identity)
    assert wait(process) == -signal.SIGKILL
    assert run(server, project, environment, "d")[0] == 0


def start_waiting(server: ForkServer, project: Path, environment: dict[str, str]) -> ForkedProcess:
    """A run whose stage is at work."""
    (project / "start.txt").write_text("wait", encoding="utf-8")
    log = project / "log.txt"
    log.unlink(missing_ok=True)
    process = server.run_dvc(["repro"], environment, log)
    while not (log.exists() and "forked" in log.read_text(encoding="utf-8")):
        assert process.poll() is None
        time.sleep(0.02)
    return process


def test_code_that_changed_is_not_run_by_the_server(
    server: ForkServer, project: Path, environment: dict[str, str]
) -> None:
    code = project / "stages" / "copy.py"
    code.write_text(f"{STAGE}# edited\n", encoding="utf-8")
    assert server.run_dvc(["repro"], environment, project / "log.txt") is None
    code.write_text(STAGE, encoding="utf-8")
    assert run(server, project, environment, "e")[0] == 0


def test_a_server_that_ends_takes_its_training_with_it(project: Path, environment: dict[str, str]) -> None:
    server = ForkServer("stages.copy", cwd=project, env=environment)
    process = start_waiting(server, project, environment)
    server.close()
    until = time.monotonic() + 20
    while processes.is_alive(process.identity) and time.monotonic() < until:
        time.sleep(0.02)
    assert not processes.is_alive(process.identity)


def test_a_killed_server_ends_as_a_killed_training(project: Path, environment: dict[str, str]) -> None:
    server = ForkServer("stages.copy", cwd=project, env=environment)
    process = start_waiting(server, project, environment)
    server._process.kill()
    assert wait(process) == -signal.SIGKILL
    assert not processes.is_alive(process.identity)
    server.close()
