import argparse
import socket
from pathlib import Path

import pytest

from apparel import params
from apparel.cli import ui
from apparel.errors import UserError
from apparel.tracking import runs, ui_view
from apparel.tracking.server import connect, tracking_uri
from tests.support import chromium
from tests.support.repository import ROOT
from tests.support.servers import served


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
    with runs.open_run(params.load(ROOT / "params.yaml"), "key", name="the drawn run") as run:
        for step in range(5):
            run.log_metrics({"train/loss": 1.0 - step / 10}, step)
        run.log_metrics({"test/AP50/Dresses": 0.8125})
        run.log_bytes(b"one,two\n1,2\n", "table.csv")
    with served("ui", "health") as address:
        yield address


@pytest.mark.slow
def test_mlflow_shows_the_run(page, tmp_path):
    view = ui_view.share_view(connect(tracking_uri()))
    (folder,) = Path("mlartifacts/1").iterdir()
    run = f"/experiments/1/runs/{folder.name}"
    figures = ("test/AP50/Dresses", "0.8125", "train.batch_size", "machine.cores", "Finished")
    shown = {
        view: ("the drawn run", "test/AP50/Dresses"),  # a column of its own
        f"{run}?workflowType=machine_learning": figures,
        f"{run}/artifacts/table.csv": ("Previewing the first",),
    }
    for path, texts in shown.items():
        document = chromium.wait_for(texts, f"{page}/#{path}", tmp_path / "browser")
        assert all(text in document for text in texts)
