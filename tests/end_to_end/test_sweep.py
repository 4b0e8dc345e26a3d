"""A complete sweep with a fake training: the commands' output, and the runs in MLflow."""

import re

import pytest
from ruamel.yaml import YAML

from apparel.tracking.server import LOCAL_SERVER, connect
from tests.support import project_copy, sweep_project

pytestmark = pytest.mark.slow

TWO_OBJECTIVES = {
    "objectives": [
        {"metric": "val/mAP50", "direction": "maximize"},
        {"metric": "latency", "direction": "minimize"},
    ],
    "sampler": {"kind": "grid"},
    "space": {
        "train.learning_rate": {"choice": [0.004, 0.02, 0.05]},
        "train.resolution": [{"when": {"train.learning_rate": 0.02}, "choice": [96]}, {"choice": [160]}],
    },
}
LATENCY = '''"""Fake of the latency, since there is no network to measure: as many milliseconds as pixels."""
import re, sys
from pathlib import Path
print(re.search(r"resolution=(\\d+)", Path(sys.argv[1], "weights").read_text()).group(1))
'''


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A project after a sweep of four complete trials, and the sweep's output."""
    folder = sweep_project.copy(tmp_path_factory.mktemp("swept") / "project")
    status, printed = sweep_project.run_sweep(folder)
    assert status == 0, printed
    project_copy.sync(folder)
    return folder, printed


def sweep(folder, *arguments):
    done = project_copy.run(folder, "apparel", "sweep", "--config", "configs/tiny.yaml", *arguments)
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_the_output_ends_with_the_table_and_the_next_step(swept):
    assert "4 complete" in swept[1]
    assert "best: trial" in swept[1]
    assert "to take the best: apparel sweep --study tiny --finish" in swept[1]


def test_each_trial_is_linked_in_dvc_mlflow_and_optuna(swept, monkeypatch):
    folder, _ = swept
    listed = sweep(folder, "--report")
    assert all(f"tiny-{number:03}" in listed for number in range(4))
    assert "tiny-003" in project_copy.run(folder, "dvc", "exp", "show", "--csv").stdout
    monkeypatch.chdir(folder)
    client = connect(LOCAL_SERVER)
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    all_runs = client.search_runs(experiments, order_by=["start_time"])
    parents = [run for run in all_runs if "mlflow.parentRunId" not in run.data.tags]
    assert [run.info.run_name for run in parents] == ["sweep tiny"]
    children = [run for run in all_runs if run not in parents]
    assert [run.data.tags["optuna.trial"] for run in children] == ["0", "1", "2", "3"]
    assert [run.data.tags["dvc.experiment"] for run in children] == [f"tiny-{number:03}" for number in range(4)]
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {parents[0].info.run_id}
    assert {run.info.status for run in all_runs} == {"FINISHED"}
    best = max(children, key=lambda run: run.data.metrics["val/mAP50"])
    assert parents[0].data.metrics["val/mAP50"] == best.data.metrics["val/mAP50"]
    assert parents[0].data.tags["best.experiment"] == best.data.tags["dvc.experiment"]
    page = (folder / ".apparel" / "sweeps" / "tiny" / "report.html").read_text(encoding="utf-8")
    assert all(run.info.run_id in page for run in children)
    assert {file.path for file in client.list_artifacts(parents[0].info.run_id)} == {"report.html", "trials.csv"}


def test_finish_writes_the_best_values(swept):
    folder, printed = swept
    wanted = re.search(r"train\.learning_rate +\S+ -> (\S+)", printed).group(1)
    sweep(folder, "--finish", "--yes")
    written = YAML(typ="safe").load(folder / "params.yaml")["train"]
    assert f"{written['learning_rate']:.4g}" == wanted
    assert written["epochs"] != 4  # what the sweep fixed stays what it was


def test_two_objectives_end_in_a_pareto_front(tmp_path, monkeypatch):
    folder = sweep_project.copy(tmp_path / "project", **TWO_OBJECTIVES)
    (folder / "apparel" / "sweeps" / "latency.py").write_text(LATENCY, encoding="utf-8")
    status, printed = sweep_project.run_sweep(folder)
    assert status == 0, printed
    assert "best: trial 0, val/mAP50 0.794, latency 160 ms" in printed
    assert "best: trial 1, val/mAP50 0.79, latency 96 ms; the first, as params.yaml was, had 0.794 and 160" in printed
    assert "to take one of them: apparel sweep --study tiny --finish TRIAL" in printed
    refused = project_copy.run(folder, "apparel", "sweep", "--config", "configs/tiny.yaml", "--finish", "--yes")
    assert refused.returncode == 1
    assert "name one" in refused.stdout
    sweep(folder, "--finish", "1", "--yes")
    assert YAML(typ="safe").load(folder / "params.yaml")["train"]["resolution"] == 96
    monkeypatch.chdir(folder)
    for _ in range(30):  # on a busy machine the workers may still send their runs
        project_copy.sync(folder)
        all_runs = connect(LOCAL_SERVER).search_runs(["1"], order_by=["start_time"])
        if all("latency" in run.data.metrics for run in all_runs):
            break
    assert [run.data.metrics["latency"] for run in all_runs] == [160, 160, 96, 160]  # the sweep's own run first
    assert all_runs[0].data.tags["pareto.front"] == "tiny-000, tiny-001"
    assert {run.info.status for run in all_runs} == {"FINISHED"}
