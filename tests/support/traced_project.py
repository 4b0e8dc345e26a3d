"""A project of three stages that ran, with the training's run in MLflow and an experiment `six`: to be traced."""

import shutil
from pathlib import Path

import pytest

from apparel.analysis import trace
from apparel.analysis.trace_link import Link
from apparel.tracking.server import LOCAL_SERVER, connect
from apparel.versioning import dvc_hash
from tests.support import project_copy

DETECTIONS = "data/results/eval/detections.csv"
METRICS = "data/results/eval/metrics.json"
MODEL = "data/results/train/model"


def make(three_stages_run: Path, database: Path, folder: Path) -> tuple[Path, str]:
    """The project, made of one that ran and MLflow's empty tables, and its MLflow run's id."""
    shutil.copytree(three_stages_run, folder)
    shutil.copy(database, folder / "mlflow.db")
    head = project_copy.git(folder, "rev-parse", "HEAD").strip()
    tags = {"mlflow.source.git.commit": head, "git.dirty": "false", "version.python": "3.11", "machine.cores": "2"}
    tags |= {MODEL: dvc_hash.path_hash(folder / MODEL)}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        client = connect(LOCAL_SERVER)
        experiment = client.create_experiment("shop", "mlartifacts/1")
        run = client.create_run(experiment, tags=tags, run_name="first").info.run_id
        client.log_param(run, "train.seed", 0)
        client.set_terminated(run)
    project_copy.git(folder, "update-ref", f"refs/exps/{head[:2]}/{head[2:]}/six", "HEAD")
    return folder, run


def enter_copy(traced: tuple[Path, str], folder: Path, patch: pytest.MonkeyPatch) -> tuple[Path, str]:
    """A copy of the project at `folder`, as the current folder; and the run's id."""
    shutil.copytree(traced[0], folder)
    patch.chdir(folder)
    # By its full path: MLflow keeps connections by address, and would continue with the database of another test.
    patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{(folder / 'mlflow.db').as_posix()}")
    return folder, traced[1]


def links(what: object) -> dict[str, list[Link]]:
    """The links of the chain by their kind."""
    by_kind: dict[str, list[Link]] = {}
    for link in trace.trace(str(what)).links:
        by_kind.setdefault(link.kind, []).append(link)
    return by_kind


def problems(what: object) -> dict[str, str]:
    """The problem of each kind of link that has one."""
    return {link.kind: link.problem for link in trace.trace(str(what)).broken}


def edit(path: Path, text: str = "edited") -> None:
    """Gives a file another content."""
    path.unlink(missing_ok=True)  # read-only in DVC's cache
    path.write_text(text, encoding="utf-8")


def cached(folder: Path, md5: str) -> Path:
    """The file with that content in DVC's cache."""
    return folder / ".dvc" / "cache" / "files" / "md5" / md5[:2] / md5[2:]
