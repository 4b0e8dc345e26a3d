"""A job of three quick stages, on a machine that has nothing of the clone, and its results at home."""

import json
import shutil

import pytest

from apparel.cloud import fetch, jobs
from apparel.cloud.results import Ending
from apparel.errors import UserError
from apparel.tracking.outbox import Outbox, RunHeader, find_outbox
from apparel.tracking.server import LOCAL_SERVER, connect
from tests.support import cloud_project, project_copy, three_stage_project

WEIGHTS = "data/results/train/model/weights.txt"
SEVEN = "data:\n  name: shop\ntrain:\n  seed: 7\n"
FAILING = """
import os
if sys.argv[1] == "eval" and "FAIL" in os.environ:
    print("see https://me:word@host/x", file=sys.stderr)
    raise ValueError("no boxes")
"""


@pytest.fixture(scope="module")
def project(three_stages_run, tmp_path_factory):
    return cloud_project.make(three_stages_run, tmp_path_factory.mktemp("cloud"))


@pytest.fixture(autouse=True)
def in_project(project, monkeypatch):
    """Its folder is the current one, with the files of the commit."""
    project_copy.git(project, "restore", ".")
    monkeypatch.chdir(project)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def test_a_job_comes_home_and_dvc_finds_nothing_to_do(project, tmp_path):
    (project / "params.yaml").write_text(SEVEN)
    address = cloud_project.send("train", [], "seven")
    with pytest.raises(UserError, match="has no results yet"):
        fetch.fetch(address)
    done = cloud_project.start(address, tmp_path / "machine")
    assert done.returncode == 0, done.stdout
    assert "Stage 'convert' didn't change, skipping" in done.stdout  # its outputs came from the remote

    (project / "params.yaml").write_text(SEVEN.replace("7", "8"))
    assert fetch.fetch(address).why_not == "params.yaml changed since the job was submitted"
    (project / "params.yaml").write_text(SEVEN)
    lock = (project / "dvc.lock").read_text(encoding="utf-8")
    (project / "dvc.lock").write_text(f"{lock}# mine\n", encoding="utf-8")
    assert fetch.fetch(address).why_not == "dvc.lock was made anew here since"
    (project / "dvc.lock").write_text(lock, encoding="utf-8")

    ours = project_copy.git(project, "for-each-ref", "--format=%(refname)", "refs/exps").strip()
    job = project_copy.git(project, "rev-parse", ours).strip()
    author = ("-c", "user.name=test", "-c", "user.email=test@localhost")
    mine = project_copy.git(project, *author, "commit-tree", f"{job}^{{tree}}", "-p", "HEAD", "-m", "mine").strip()
    project_copy.git(project, "update-ref", ours, mine)
    with pytest.raises(UserError, match="an experiment here has the name of one of the job's"):
        fetch.fetch(address)
    project_copy.git(project, "update-ref", ours, job)

    fetched = fetch.fetch(address)
    assert (fetched.experiments, fetched.applied) == (["seven"], "seven")
    assert (project / WEIGHTS).read_text(encoding="utf-8").endswith("7")
    assert "Data and pipelines are up to date." in three_stage_project.dvc(project, "repro")
    assert project_copy.git(project, "diff", "--name-only").split() == [
        "data/results/eval/metrics.json", "data/results/train/metrics.json", "dvc.lock", "params.yaml",
    ] or cloud_project.clean(project).split()[1::2] == ["dvc.lock", "params.yaml"]  # fmt: skip


@pytest.mark.slow
def test_a_job_that_failed_says_why_in_one_line_without_passwords_and_the_next_machine_goes_on(project, tmp_path):
    with (project / "stages" / "work.py").open("a", encoding="utf-8") as script:
        script.write(FAILING)
    (project / "params.yaml").write_text(SEVEN.replace("7", "9"))
    address = cloud_project.send("train", [], "failing")
    done = cloud_project.start(address, tmp_path / "machine", FAIL="1")
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == "error: `dvc repro` failed: ValueError: no boxes"
    assert "word@" not in done.stdout
    with pytest.raises(UserError) as error:
        fetch.fetch(address)
    first, *log = str(error.value).splitlines()
    assert first == "the job failed: `dvc repro` failed: ValueError: no boxes; the last lines of its log:"
    assert "    see https://host/x" in log
    again = cloud_project.start(address, tmp_path / "next")  # as after a machine was taken away
    assert again.returncode == 0, again.stdout
    assert "Stage 'train' is cached" in again.stdout
    assert "Running stage 'train'" not in again.stdout
    assert fetch.fetch(address).applied == "failing"


def test_a_run_that_is_shown_under_another_machines_run_goes_to_the_server_of_this_clone(
    tmp_path, monkeypatch, empty_mlflow_database
):
    shutil.copy(empty_mlflow_database, tmp_path / "team.db")
    monkeypatch.chdir(tmp_path)
    address = f"sqlite:///{tmp_path / 'team.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    parent = Outbox.create(RunHeader(LOCAL_SERVER, "shop", "sweep", 1))
    child = Outbox.create(RunHeader(LOCAL_SERVER, "shop", "trial", 2, parent=parent.id))
    for outbox in (parent, child):
        outbox.append("status", {"status": "FINISHED"})
    assert fetch.deliver([child.id, parent.id]) == (2, "")
    ids = [outbox.sent()[0] for outbox in map(find_outbox, (parent.id, child.id))]
    assert connect(address).get_run(ids[1]).data.tags["mlflow.parentRunId"] == ids[0]


def test_several_machines_that_failed_are_one_error():
    endings = [Ending(rank, "no disk", "one\ntwo", {}) for rank in range(3)]
    assert fetch.failure_text(endings).splitlines() == [
        "the job failed: no disk (as did 2 more machines); the last lines of its log:", "    one", "    two",
    ]  # fmt: skip


def test_of_machines_that_train_one_model_the_reason_is_that_of_the_first_that_failed():
    endings = [Ending(0, f"{jobs.LOST} 0 of 2 ends", "lost", {}), Ending(1, "no\nspace\x1b[2J", "full\x07", {})]
    assert fetch.failure_text(endings).splitlines() == [
        "the job failed: no space?[2J (as did 1 more machines); the last lines of its log:", "    full?",
    ]  # fmt: skip


def test_a_damaged_description_and_a_commit_that_is_not_here(tmp_path):
    (tmp_path / "job.json").write_text("{}")
    with pytest.raises(UserError, match=r"job\.json is damaged: it has no commit"):
        fetch.fetch(tmp_path.as_uri())
    (tmp_path / "machine-0").mkdir()
    (tmp_path / "machine-0" / "end.json").write_text(json.dumps(vars(Ending(0, "", "", {}))))
    job = {"name": "one", "task": "train", "commit": "1" * 40, "state": "1" * 40, "generated": {}}
    job["remote"] = {"name": "storage"}
    (tmp_path / "job.json").write_text(json.dumps(job))
    for address in (tmp_path.as_uri(), f"{tmp_path.as_uri()}/"):
        with pytest.raises(UserError, match="does not have commit 1111111"):
            fetch.fetch(address)
    for changes, said in (
        ({"commit": "--all"}, "its commit is none"), ({"name": "../../x"}, "is no name of a job"),
        ({"remote": "storage"}, "job.json is damaged"), ({"remote": {}}, "job.json is damaged"),
        ({"generated": ["dvc.lock"]}, "job.json is damaged"),
    ):  # fmt: skip
        (tmp_path / "job.json").write_text(json.dumps(job | changes))
        with pytest.raises(UserError, match=said):
            fetch.fetch(tmp_path.as_uri())
