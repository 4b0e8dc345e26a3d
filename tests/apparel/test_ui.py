import argparse
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from apparel import params, tracking, tracking_sender, tracking_views
from apparel.commands import ui
from apparel.errors import UserError
from tests import chromium
from tests.serving import answers

ROOT = Path(__file__).parents[2]


def test_a_taken_port_is_refused(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=f"127.0.0.1:{port} .*--port"):
            ui.main(argparse.Namespace(host="127.0.0.1", port=port))


def test_a_server_of_its_own_is_named(monkeypatch, capsys):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:secret@mlflow.example.org")
    ui.main(argparse.Namespace(host="127.0.0.1", port=5000))
    assert capsys.readouterr().out == "MLflow is at https://mlflow.example.org\n"


@pytest.fixture
def page(tmp_path, monkeypatch):
    """The address of MLflow's pages on a project with one run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with tracking.open_run(params.load(ROOT / "params.yaml"), "key", name="the drawn run") as run:
        for step in range(5):
            run.metrics({"train/loss": 1.0 - step / 10}, step)
        run.metrics({"test/AP50/Dresses": 0.8125})
        run.text("one,two\n1,2\n", "table.csv")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    served = subprocess.Popen([sys.executable, "-m", "apparel", "ui", "--port", str(port)])
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: answers(f"{address}/health"))
        processes = [psutil.Process(served.pid), *psutil.Process(served.pid).children(recursive=True)]
        yield address
    finally:
        served.send_signal(signal.SIGTERM)
        served.wait()
    assert not psutil.wait_procs(processes, timeout=60)[1]  # MLflow ended with the command


def wait_for(condition):
    deadline = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.mark.slow
def test_mlflow_shows_the_run(page, tmp_path):
    (run,) = [folder.name for folder in Path("mlartifacts/1").iterdir()]
    view = tracking_views.share(tracking_sender.connect(tracking.server()))
    runs = chromium.dom(f"{page}/#{view}", tmp_path / "browser")
    assert "the drawn run" in runs
    assert "test/AP50/Dresses" in runs  # a column of its own
    overview = chromium.dom(f"{page}/#/experiments/1/runs/{run}?workflowType=machine_learning", tmp_path / "browser")
    for text in ("test/AP50/Dresses", "0.8125", "train.batch_size", "machine.cores", "Finished"):
        assert text in overview, text
    table = chromium.dom(f"{page}/#/experiments/1/runs/{run}/artifacts/table.csv", tmp_path / "browser")
    assert "Previewing the first" in table
