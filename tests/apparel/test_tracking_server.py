"""A training and an MLflow server, each a process of its own, either of which may be away or die at any moment."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psutil
import pytest

from apparel import outbox, tracking, tracking_sender
from apparel.tracking_sender import ID_TAG
from tests import postgres

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="ends processes with POSIX signals")]

ROOT = Path(__file__).parents[2]
STEPS = 60
TRAINING = """
import sys, time
from pathlib import Path
from apparel import params, tracking

chosen = params.load(Path(sys.argv[1], "params.yaml"))
first, last, pause = int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
with tracking.open_run(chosen, "key") as run:
    for step in range(first, last):
        run.metrics({"train/loss": 1 / (step + 1), "val/AP50": float("nan")}, step)
        print(step, flush=True)
        time.sleep(pause)
    Path("weights").write_text("weights")
    run.file(Path("weights"), "model & more")
"""


class Server:
    """An MLflow server with a store of its own, which outlives it: a file, or what further options say."""

    def __init__(self, folder: Path, *options: str) -> None:
        folder.mkdir()
        self.folder, self.options = folder, options
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"
        self.process = None

    def start(self) -> None:
        environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
        options = ["--host", "127.0.0.1", "--port", str(self.port), "--workers", "1", *self.options]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "mlflow", "server", *options],
                cwd=self.folder,
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_for(self.answers)

    def answers(self) -> bool:
        assert self.process.poll() is None, (self.folder / "log").read_text()
        try:
            with urllib.request.urlopen(f"{self.address}/health", timeout=5) as response:
                return response.status == 200
        except OSError:
            return False

    def kill(self) -> None:
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None


def wait_for(condition) -> None:
    deadline = time.monotonic() + 1200  # a hang; a busy machine may need minutes to start a server
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("server") / "store")
    yield server
    server.kill()


@pytest.fixture
def server(store, tmp_path, monkeypatch):
    """The module's server, not running yet or running, and a project of the test's own that uses it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.address)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", tmp_path.name)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return store


@pytest.fixture
def train(tmp_path):
    """Starts a training; what it prints comes line by line, and what it warns of goes to the file `warnings`."""
    started = []

    def start(first=0, last=STEPS, pause=0.0):
        with Path("warnings").open("ab") as warnings:
            command = [sys.executable, "-c", TRAINING, str(ROOT), str(first), str(last), str(pause)]
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=warnings, text=True)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def sync(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "apparel", "sync", *arguments], capture_output=True, text=True, check=False
    )


def until_step(process, wanted):
    for line in process.stdout:
        if int(line) == wanted:
            return
    raise AssertionError(f"ended before step {wanted}: {Path('warnings').read_text()}")


def sender_of(training):
    (sender,) = psutil.Process(training.pid).children()
    return sender


def the_run():
    client = tracking_sender.connect(tracking.server())
    experiment = client.get_experiment_by_name(os.environ["MLFLOW_EXPERIMENT_NAME"])
    (run,) = client.search_runs([experiment.experiment_id])
    return client, run


def check_whole():
    """Everything is there, once."""
    client, run = the_run()
    history = client.get_metric_history(run.info.run_id, "train/loss")
    assert [(point.step, point.value) for point in history] == [(step, 1 / (step + 1)) for step in range(STEPS)]
    assert len(client.get_metric_history(run.info.run_id, "val/AP50")) == STEPS
    assert run.info.status == "FINISHED"
    assert run.data.params["data.name"] == "demo"
    folder = tracking.clean("model & more")
    assert [file.path for file in client.list_artifacts(run.info.run_id, folder)] == [f"{folder}/weights"]
    assert run.data.tags[ID_TAG] == next(outbox.RUNS.iterdir()).name


def test_absent_to_the_end(server, train):
    server.kill()
    training = train()
    assert training.wait() == 0
    warnings = Path("warnings").read_text()
    assert warnings.count("warning:") == 1
    assert "python -m apparel sync" in warnings

    done = sync()
    assert done.returncode == 1
    assert "1 run waits still" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    server.start()
    done = sync()
    assert done.returncode == 0, done.stdout + done.stderr
    check_whole()
    assert "Nothing waits" in sync().stdout


def test_started_late(server, train):
    server.kill()
    training = train(pause=0.5)
    wait_for(lambda: "warning:" in Path("warnings").read_text())
    server.start()
    training.communicate()
    assert training.returncode == 0
    assert sync().returncode == 0
    check_whole()


def test_killed_in_the_middle_and_started_again(server, train):
    if server.process is None:
        server.start()
    training = train(pause=0.5)
    wait_for(lambda: next(outbox.RUNS.glob("*/sent.json"), None))
    server.kill()
    assert training.poll() is None, "the training should be in the middle"
    wait_for(lambda: "warning:" in Path("warnings").read_text() or training.poll() is not None)
    server.start()
    training.communicate()
    assert training.returncode == 0
    assert sync().returncode == 0
    check_whole()


def test_a_server_that_never_answers_holds_nothing_up(server, train, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{silent.getsockname()[1]}")
        training = train()
        assert training.wait(300) == 0
    assert "python -m apparel sync" in Path("warnings").read_text()


@pytest.mark.parametrize("victim", ["alone", "and its sender"])
def test_a_killed_training_goes_on_in_its_run(server, train, victim):
    if server.process is None:
        server.start()
    training = train(pause=0.2)
    until_step(training, 40)
    if victim == "and its sender":
        sender_of(training).kill()
    training.kill()
    training.wait()
    wait_for(lambda: sync().returncode == 0)  # the sender, if alive, sends a last time itself
    client, run = the_run()
    assert run.info.status == "RUNNING"
    assert len(client.get_metric_history(run.info.run_id, "train/loss")) >= 40

    assert train(first=20).wait() == 0  # from its last checkpoint
    assert sync().returncode == 0
    check_whole()


def test_two_senders_of_one_run(server, train):
    server.kill()
    assert train().wait() == 0
    server.start()
    (box,) = outbox.unsent()
    command = [sys.executable, "-m", "apparel.tracking_sender", box.id]
    senders = [subprocess.Popen(command, stdin=subprocess.DEVNULL) for _ in range(2)]
    assert [sender.wait() for sender in senders] == [0, 0]
    check_whole()


def test_ctrl_c_ends_the_run_as_failed(server, train):
    if server.process is None:
        server.start()
    training = train(pause=0.2)
    until_step(training, 10)
    training.send_signal(signal.SIGINT)
    training.wait()
    wait_for(lambda: sync().returncode == 0)
    _, run = the_run()
    assert (run.info.status, run.data.tags["failure"]) == ("FAILED", "KeyboardInterrupt")


def test_killed_while_it_makes_the_local_store(server, train, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    training = train(pause=0.5)
    made = Path(".apparel/new-store/mlflow.db")
    wait_for(lambda: made.exists() and made.stat().st_size > 0)
    sender_of(training).kill()
    training.communicate()
    assert training.returncode == 0
    assert sync().returncode == 0
    check_whole()


@pytest.fixture(scope="module")
def database():
    with postgres.server() as running:
        yield running


@pytest.fixture
def upon_database(server, database, tmp_path, monkeypatch):
    """Another MLflow server, which keeps its runs in PostgreSQL."""
    other = Server(tmp_path / "store", "--backend-store-uri", database.address)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", other.address)
    try:
        other.start()
        yield other
    finally:
        other.kill()


def test_its_database_is_restarted_in_the_middle(upon_database, database, train):
    training = train(pause=0.5)
    wait_for(lambda: next(outbox.RUNS.glob("*/sent.json"), None))
    database.restart()
    assert training.poll() is None, "the training should be in the middle"
    training.communicate()
    assert training.returncode == 0
    assert sync().returncode == 0
    check_whole()


def test_its_database_is_away_from_the_middle_to_the_end(upon_database, database, train):
    training = train(pause=0.5)
    wait_for(lambda: next(outbox.RUNS.glob("*/sent.json"), None))
    database.stop("immediate")
    training.communicate()
    assert training.returncode == 0
    assert Path("warnings").read_text().count("warning:") == 1
    assert sync().returncode == 1
    database.start()
    assert sync().returncode == 0
    check_whole()
