"""A training and an MLflow server, each a process of its own, either of which may be away or die at any moment."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from apparel.tracking.outbox import OUTBOXES, unsent_outboxes
from apparel.tracking.run_lookup import ID_TAG
from apparel.tracking.server import clean_name, connect, tracking_uri
from tests.support import postgres
from tests.support.repository import ROOT
from tests.support.servers import MLflow, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="ends processes with POSIX signals")]

STEPS = 60
TRAINING = """
import signal, sys, time
from pathlib import Path
from apparel import params
from apparel.tracking import runs

signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's background ignores
config = params.load(Path(sys.argv[1], "params.yaml"))
first, last, *pauses = map(int, sys.argv[2:])
with runs.open_run(config, "key") as run:
    for step in range(first, last):
        while step in pauses and not Path(f"on from {step}").exists():
            time.sleep(0.05)
        run.log_metrics({"train/loss": 1 / (step + 1), "val/AP50": float("nan")}, step)
        print(step, flush=True)
    Path("weights").write_text("weights")
    run.log_file(Path("weights"), "model & more")
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    server = MLflow(tmp_path_factory.mktemp("server") / "store")
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
    """Starts a training, which pauses before some steps until `go_on`.

    What it prints comes line by line, and what it warns of goes to the file `warnings`.
    """
    started = []

    def start(*pauses, first=0):
        with Path("warnings").open("ab") as warnings:
            command = [sys.executable, "-c", TRAINING, *map(str, (ROOT, first, STEPS, *pauses))]
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=warnings, text=True)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def go_on(pause):
    Path(f"on from {pause}").touch()


def wait_until_some_is_sent():
    wait_for(lambda: next(OUTBOXES.glob("*/sent.json"), None))


def wait_for_a_warning():
    wait_for(lambda: "warning:" in Path("warnings").read_text())


def sync():
    return subprocess.run([sys.executable, "-m", "apparel", "sync"], capture_output=True, text=True, check=False)


def until_step(process, wanted):
    for line in process.stdout:
        if int(line) == wanted:
            return
    raise AssertionError(f"ended before step {wanted}: {Path('warnings').read_text()}")


def sender_of(training):
    (sender,) = psutil.Process(training.pid).children()
    return sender


def the_run():
    client = connect(tracking_uri())
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
    folder = clean_name("model & more")
    assert [file.path for file in client.list_artifacts(run.info.run_id, folder)] == [f"{folder}/weights"]
    assert run.data.tags[ID_TAG] == next(OUTBOXES.iterdir()).name


def test_absent_to_the_end(server, train):
    server.kill()
    training = train()
    assert training.wait() == 0
    warnings = Path("warnings").read_text()
    assert warnings.count("warning:") == 1
    assert "apparel sync" in warnings

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
    training = train(20)
    wait_for_a_warning()
    server.start()
    go_on(20)
    training.communicate()
    assert training.returncode == 0
    assert sync().returncode == 0
    check_whole()


def test_killed_in_the_middle_and_started_again(server, train):
    if server.process is None:
        server.start()
    training = train(20, 40)
    wait_until_some_is_sent()
    server.kill()
    go_on(20)
    wait_for_a_warning()
    server.start()
    go_on(40)
    training.communicate()
    assert training.returncode == 0
    assert sync().returncode == 0
    check_whole()


def test_a_server_that_never_answers_holds_nothing_up(server, train, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{silent.getsockname()[1]}")
        training = train()
        assert training.wait(300) == 0
    assert "apparel sync" in Path("warnings").read_text()


@pytest.mark.parametrize("victim", ["alone", "and its sender"])
def test_a_killed_training_goes_on_in_its_run(server, train, victim):
    if server.process is None:
        server.start()
    training = train(20, 41)
    wait_until_some_is_sent()
    go_on(20)
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
    (outbox,) = unsent_outboxes()
    command = [sys.executable, "-m", "apparel.tracking.sender", outbox.id]
    senders = [subprocess.Popen(command, stdin=subprocess.DEVNULL) for _ in range(2)]
    assert [sender.wait() for sender in senders] == [0, 0]
    check_whole()


def test_ctrl_c_ends_the_run_as_failed(server, train):
    if server.process is None:
        server.start()
    training = train(11)
    until_step(training, 10)
    training.send_signal(signal.SIGINT)
    training.wait()
    wait_for(lambda: sync().returncode == 0)
    _, run = the_run()
    assert (run.info.status, run.data.tags["failure"]) == ("FAILED", "KeyboardInterrupt")


def test_killed_while_it_makes_the_local_store(server, train, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    training = train(20)
    made = Path(".apparel/new-store/mlflow.db")
    wait_for(lambda: made.exists() and made.stat().st_size > 0)
    sender_of(training).kill()
    go_on(20)
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
    other = MLflow(tmp_path / "store", "--backend-store-uri", database.address)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", other.address)
    try:
        other.start()
        yield other
    finally:
        other.kill()


def test_its_database_is_restarted_in_the_middle(upon_database, database, train):
    training = train(20, 40)
    wait_until_some_is_sent()
    go_on(20)
    database.restart()
    go_on(40)
    training.communicate()
    assert training.returncode == 0
    assert sync().returncode == 0
    check_whole()


def test_its_database_is_away_from_the_middle_to_the_end(upon_database, database, train):
    training = train(20)
    wait_until_some_is_sent()
    database.stop("immediate")
    go_on(20)
    training.communicate()
    assert training.returncode == 0
    assert Path("warnings").read_text().count("warning:") == 1
    assert sync().returncode == 1
    database.start()
    assert sync().returncode == 0
    check_whole()
