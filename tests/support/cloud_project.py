"""A project of three quick stages, its remote and bucket in folders, and machines for its jobs."""

import os
import sys
from pathlib import Path

from apparel.cloud import snapshot, submission
from tests.support import project_copy, three_stage_project
from tests.support.repository import ROOT


def make(folder: Path) -> Path:
    """The project, run once and committed, with a default remote in a folder beside it."""
    project = three_stage_project.make(folder / "home")
    three_stage_project.dvc(project, "remote", "add", "--default", "storage", str(folder / "storage"))
    three_stage_project.commit(project, "remote")
    return project


def make_unrun(folder: Path) -> Path:
    """The project, committed and never run."""
    project = folder / "home"
    config = f"    remote = storage\n['remote \"storage\"']\n    url = {folder / 'storage'}\n"
    for name, text in three_stage_project.FILES.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(text + config if name == ".dvc/config" else text, encoding="utf-8")
    project_copy.git(project, "init", "--quiet", "--initial-branch", "main")
    project_copy.git(project, "config", "user.name", "test")
    project_copy.git(project, "config", "user.email", "test@localhost")
    three_stage_project.commit(project, "project")
    return project


def machine_variables(home: Path) -> dict[str, str]:
    """Environment of a machine whose image has this project's code, since the three stages have none of their own."""
    return {"PYTHONPATH": str(ROOT), "HOME": str(home), "TMPDIR": str(home)}


def send(task: str, arguments: list[str], name: str) -> str:
    """Sends a job of the project in the current folder; returns its address."""
    job = submission.plan(task, arguments, None, name)
    with snapshot.taken() as taken:
        submission.send(job, taken)
    return job.folder


def start(address: str, home: Path, **variables: str):
    """A machine that runs the job, as its container does; returns what it wrote and its exit status."""
    import subprocess

    home.mkdir(parents=True, exist_ok=True)
    outside = ("MLFLOW_", "DVC_", "APPAREL_", "GIT_")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(outside)}
    return subprocess.run(
        [sys.executable, "-c", submission.COMMAND, address],
        cwd=home,
        env=environment | machine_variables(home) | variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        check=False,
    )


def clean(project: Path) -> str:
    """What git says of the working tree: empty where nothing changed."""
    return project_copy.git(project, "status", "--porcelain")


def described(number: str, state: str = "JOB_STATE_SUCCEEDED") -> dict:
    """A job of this project's kind as gcloud describes it; its folder is not there."""
    container = {"command": ["python", "-c", submission.COMMAND], "args": [f"memory://bucket/jobs/{number}"]}
    return {
        "name": f"projects/1/locations/europe-west4/customJobs/{number}",
        "displayName": f"job-{number}",
        "state": state,
        "jobSpec": {"workerPoolSpecs": [{"replicaCount": "1", "containerSpec": container}]},
    }
