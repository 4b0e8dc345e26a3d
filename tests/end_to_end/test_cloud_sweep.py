"""A sweep as a job of two machines that share a database behind Optuna's proxy, with a training of a moment."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from apparel.tracking.server import connect
from tests.support import fast_project, project_copy, servers, sweep_project, three_stage_project, vertex_server

SERVE = """
import sys, optuna
storage = optuna.storages.RDBStorage(sys.argv[1])
optuna.storages.run_grpc_proxy_server(storage, host="127.0.0.2", port=int(sys.argv[2]))
"""
"""As docs/sweeps.md has it; 127.0.0.2 is no name that each machine has for itself."""

pytestmark = [pytest.mark.slow, vertex_server.needs_gcloud, pytest.mark.skipif(os.name == "nt", reason="POSIX signals")]


@contextmanager
def proxy(folder: Path) -> Iterator[str]:
    """Optuna's proxy before a database; gives its address."""
    port = servers.free_port()
    with subprocess.Popen([sys.executable, "-c", SERVE, f"sqlite:///{folder / 'sweeps.db'}", str(port)]) as process:
        try:
            yield f"grpc://127.0.0.2:{port}"
        finally:
            process.send_signal(signal.SIGKILL)


def test_two_machines_share_the_trials_and_all_come_home(tmp_path):
    project = sweep_project.copy(tmp_path / "home")
    three_stage_project.dvc(project, "remote", "add", "--default", "storage", str(tmp_path / "storage"))
    fast_project.commit(project, "remote")
    sweep_project.write_config(project, budget={"trials": 6})  # an uncommitted change, which the machines have, too
    with proxy(tmp_path) as storage, vertex_server.served(tmp_path / "machines") as server:
        settings = server.settings(server.folder)

        def apparel(*arguments: str) -> str:
            done = project_copy.run(project, "apparel", *arguments, **settings)
            assert done.returncode == 0, done.stdout
            return done.stdout

        machines = ("--machine", "n1-standard-8", "--machines", "2", "--image", "demo/apparel/job", "--name", "search")
        sweep = ("--config", "configs/tiny.yaml", "--storage", storage)
        submitted = apparel("cloud", "submit", "sweep", *machines, "--", *sweep)
        number = re.search(r"^job (\d+); apparel cloud logs", submitted, re.MULTILINE)[1]
        job = server.wait(number)
        lines = [entry["jsonPayload"]["message"] for entry in job.entries]
        assert job.state == "JOB_STATE_SUCCEEDED", "\n".join(lines)
        fetched = apparel("cloud", "fetch", number)
        assert "experiments: tiny-000, tiny-001, tiny-002, tiny-003, tiny-004 and 1 more" in fetched
        assert "7 runs are in MLflow" in fetched  # six trials and the sweep's own
        stored = connect(f"sqlite:///{project}/mlflow.db")
        stored = stored.search_runs([experiment.experiment_id for experiment in stored.search_experiments()])
        parents = {run.data.tags.get("mlflow.parentRunId") for run in stored}
        assert sorted(run.info.run_name for run in stored) == ["sweep tiny", *[f"tiny-{n:03}" for n in range(6)]]
        assert parents == {None, next(run.info.run_id for run in stored if run.info.run_name == "sweep tiny")}
        assert {run.info.status for run in stored} == {"FINISHED"}
        report = apparel("sweep", *sweep, "--report")
        assert "6 complete" in report
        apparel("sweep", *sweep, "--finish", "--yes")
    learning_rate = YAML(typ="safe").load(project / "params.yaml")["train"]["learning_rate"]
    assert abs(learning_rate - 0.01) < abs(0.004 - 0.01)
    assert "tiny-005" in three_stage_project.dvc(project, "exp", "list", "--name-only")
