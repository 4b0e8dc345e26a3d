"""Runs in MLflow as `compare` reads them, sent by the real sender to a store of the test's own."""

import argparse
from pathlib import Path

import pytest

from apparel import params, paths
from apparel.analysis import result_sets
from apparel.cli import compare
from apparel.errors import UserError
from apparel.tracking import local_runs, runs
from apparel.tracking.outbox import find_outbox
from apparel.tracking.reader import Reader
from apparel.tracking.sender import Sender
from tests.support import measured_project
from tests.support.repository import ROOT

NAMES = [f"{number}.png" for number in range(12)]


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_NAME", "DVC_EXP_NAME"):
        monkeypatch.delenv(name, raising=False)
    measured_project.new(tmp_path)
    return tmp_path


def send(name, detected_tops):
    """Sends a run with results in which this share of the Tops is detected; returns its id in MLflow."""
    measured_project.write(NAMES, {"Dresses": 1.0, "Skirts": 0.5, "Tops": detected_tops})
    with runs.open_run(params.load(ROOT / "params.yaml"), name, name=name) as run:
        run.record_model(paths.MODEL)
        for path in filter(Path.exists, paths.EVAL_FILES):
            run.log_file(path, "eval")
    Sender(find_outbox(run.id)).send()  # what a busy machine had no time for
    return local_runs.mlflow_id(run.id)


def test_nothing_is_found_and_nothing_made_where_there_is_no_store(project):
    assert Reader().find("some name") is None
    assert Reader().tagged(a="b") == []
    assert not Path("mlflow.db").exists()


@pytest.mark.slow
def test_runs_are_compared_and_get_the_page(project, capsys):
    first, second = send("plain", 0.0), send("larger", 1.0)
    reader = Reader()
    assert (reader.find(first).name, reader.find("larger").id) == ("plain", second)
    assert reader.find("0" * 32) is None
    with pytest.raises(UserError, match="no eval/other"):
        reader.fetch(first, "eval/other", project)
    measured_project.commit(project, "results of the larger")  # the workspace has what the second run has
    compare.main(argparse.Namespace(first=first, others=["larger", "workspace"], html=Path("page.html")))
    printed = capsys.readouterr().out
    tops = next(line for line in printed.splitlines() if line.startswith("Tops"))
    assert tops.count("better") == 2
    assert "Skirts" in printed and printed.count("added to MLflow's run") == 2
    fetched = reader.fetch(second, "compare/page.html", project / "fetched")
    assert fetched.read_bytes() == Path("page.html").read_bytes()
    assert result_sets.find_run(result_sets.load("workspace", lambda: reader), reader) == second
    send("larger", 1.0)
    with pytest.raises(UserError, match="2 runs are named 'larger'"):
        result_sets.load("larger", lambda: reader)
