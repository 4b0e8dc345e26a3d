"""A project of three quick stages, its remote and bucket in folders, and machines for its jobs."""

import shutil
from pathlib import Path

from apparel.cloud import snapshot, submission
from tests.support import project_copy, three_stage_project
from tests.support.repository import ROOT


def make(three_stages_run: Path, folder: Path) -> Path:
    """A copy of the project, run once and committed, with a default remote in a folder beside it."""
    project = shutil.copytree(three_stages_run, folder / "home")
    three_stage_project.dvc(project, "remote", "add", "--default", "storage", str(folder / "storage"))
    three_stage_project.commit(project, "remote")
    return project


def make_unrun(folder: Path) -> Path:
    """The project, committed and never run."""
    project = three_stage_project.new(folder / "home")
    with (project / ".dvc" / "config").open("a", encoding="utf-8") as config:
        config.write(f"    remote = storage\n['remote \"storage\"']\n    url = {folder / 'storage'}\n")
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
    home.mkdir(parents=True, exist_ok=True)
    environment = project_copy.environment("APPAREL_", "GIT_") | machine_variables(home) | variables
    return project_copy.python(home, "-c", submission.COMMAND, address, environment=environment)


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
