"""A job before it runs: names, folders, what is described of it, and what may not leave this machine."""

import json
from pathlib import Path

import pytest

from apparel.cloud import submission
from apparel.cloud.dvc_remote import Remote
from apparel.cloud.machines import Machines
from apparel.errors import UserError
from apparel.utils import yaml

REMOTE = Remote("storage", {"url": "gs://bucket/dvc"})


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    """No settings of the person who runs the tests; DVC's remote is `REMOTE`."""
    for name in ("APPAREL_BUCKET", "APPAREL_IMAGE", "APPAREL_STORAGE", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(submission, "default_remote", lambda: REMOTE)


def test_a_name_of_ones_own_fits_vertex_ai_and_git(monkeypatch):
    assert submission.new_name("train", "first-2") == "first-2"
    assert submission.new_name("train") != submission.new_name("train")
    assert submission.new_name("train").startswith("train-2")
    monkeypatch.setattr(submission.git, "experiments", lambda: {"six": ["1" * 40]})
    with pytest.raises(UserError, match="--name six: a DVC experiment has this name"):
        submission.new_name("train", "six")
    for name in ("First", "a", "a_b", "-a", "a-", "a/b", "a" * 64, ""):
        with pytest.raises(UserError, match="lower-case letters"):
            submission.new_name("train", name)


def test_the_folder_is_in_the_bucket_else_beside_the_data(monkeypatch):
    assert submission.job_folder(None, "one", REMOTE) == "gs://bucket/dvc/jobs/one"
    monkeypatch.setenv("APPAREL_BUCKET", "gs://other/x/")
    assert submission.job_folder(None, "one", REMOTE) == "gs://other/x/jobs/one"
    assert submission.job_folder("s3://third", "one", REMOTE) == "s3://third/jobs/one"


def test_a_remote_that_a_job_cannot_reach_names_the_remedy():
    with pytest.raises(UserError, match="dvc remote add --default storage gs://b/dvc"):
        submission.job_folder("gs://b", "one", Remote("here", {"url": "/srv/dvc"}))


def test_vertex_ai_gets_the_folder_and_no_more(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:word@mlflow.example/")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "word")
    job = submission.plan("train", [], None, "one")
    text = job.configuration(Machines("n1-standard-8", 1, "image", "T4", spot=True))
    spec = yaml.parse(text, "job")
    container = spec["workerPoolSpecs"][0]["containerSpec"]
    assert container["command"] + container["args"] == job.command()
    assert container["args"] == ["gs://bucket/dvc/jobs/one"]
    assert container["env"] == [
        {"name": "APPAREL_CHECKPOINTS", "value": "gs://bucket/dvc/checkpoints"},
        {"name": "MLFLOW_TRACKING_URI", "value": "https://mlflow.example/"},
    ]
    assert spec["scheduling"] == {"strategy": "SPOT"}
    assert "word" not in text
    line = job.gcloud_line(Machines("n1-standard-8", 1, "image", region="us-east1"))
    assert line[3:] == [
        "create", "--display-name=one", "--labels=apparel=train", "--config=.apparel/cloud/one.yaml",
        "--region=us-east1",
    ]  # fmt: skip


def test_network_and_account_are_named_where_they_are_asked_for():
    job = submission.plan("train", [], None, "one")
    network, account = "projects/12345/global/networks/default", "jobs@demo.iam.gserviceaccount.com"
    spec = yaml.parse(job.configuration(Machines("n1-standard-8", 1, "image", network=network, account=account)), "job")
    assert (spec["network"], spec["serviceAccount"]) == (network, account)
    assert yaml.parse(job.configuration(Machines("n1-standard-8", 1, "image")), "job").keys() == {"workerPoolSpecs"}


@pytest.mark.parametrize("address", ["", "sqlite:///x.db", "http://localhost:5000", "http://127.0.0.1:5000"])
def test_an_mlflow_of_this_machine_gets_the_runs_later(monkeypatch, address):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    assert submission.tracking_variables() == {}


def test_the_workers_of_a_sweep_get_its_database_by_a_variable(monkeypatch):
    job = submission.plan("sweep", ["--trials", "8", "--storage=grpc://db:13000"], None, "one")
    assert job.arguments == ["--trials", "8"]
    place = {"APPAREL_CHECKPOINTS": "gs://bucket/dvc/checkpoints"}
    assert job.variables == place | {"APPAREL_STORAGE": "grpc://db:13000"}
    monkeypatch.setenv("APPAREL_STORAGE", "postgresql://me@db/sweeps")
    postgresql = {"APPAREL_STORAGE": "postgresql://me@db/sweeps"}
    assert submission.plan("sweep", [], None, "one").variables == place | postgresql


def test_all_jobs_but_predictions_share_a_place_for_checkpoints():
    places = {task: submission.plan(task, [], "gs://b/x", "jobs").variables for task in ("train", "eval", "predict")}
    assert places["train"]["APPAREL_CHECKPOINTS"] == places["eval"]["APPAREL_CHECKPOINTS"] == "gs://b/x/checkpoints"
    assert "APPAREL_CHECKPOINTS" not in places["predict"]


@pytest.mark.parametrize(
    ("storage", "said"),
    [
        (None, "share a database"),
        ("sqlite:///optuna.db", "share a database"),
        ("postgresql://me:word@db/sweeps", "holds a password"),
        ("postgresql://db/sweeps?password=word", "holds a password"),
        ("grpc://localhost:13000", "another machine for each worker"),
    ],
)
def test_a_database_that_workers_cannot_share_or_a_password(storage, said):
    with pytest.raises(UserError, match=said) as error:
        submission.plan("sweep", ["--storage", storage] if storage else [], None, "one")
    assert "word@" not in str(error.value)


def test_a_password_in_an_argument_is_refused():
    with pytest.raises(UserError, match="holds a password"):
        submission.plan("predict", ["gs://me:word@bucket/photos"], None, "one")


class Taken:
    """Stands for a snapshot."""

    def pack(self, file: Path) -> None:
        file.write_bytes(b"pack")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder of a job that sends no data."""
    for name in ("check_data", "push_data"):
        monkeypatch.setattr(submission, name, lambda: None)
    monkeypatch.setattr(submission.Job, "description", lambda self, snapshot, sha256: {"sha256": sha256})
    return submission.buckets.Folder(tmp_path.as_uri() + "/jobs/one")


@pytest.mark.parametrize("error", [UserError("away"), KeyboardInterrupt()])
def test_what_does_not_arrive_whole_leaves_no_folder_behind(folder, monkeypatch, error):
    write = submission.buckets.Folder.write

    def fail(self, name: str, content: bytes) -> None:
        if name == "job.json":
            raise error
        write(self, name, content)

    monkeypatch.setattr(submission.buckets.Folder, "write", fail)
    with pytest.raises(type(error)):
        submission.send(submission.Job("one", "train", [], folder.address, REMOTE), Taken())
    assert folder.names() == []


def test_of_two_submissions_of_one_name_at_once_the_second_leaves_the_firsts_folder_alone(folder, monkeypatch):
    job = submission.Job("one", "train", [], folder.address, REMOTE)

    def first() -> None:
        monkeypatch.setattr(submission, "push_data", lambda: None)
        submission.send(job, Taken())

    monkeypatch.setattr(submission, "push_data", first)  # while the second sends its data
    with pytest.raises(UserError, match=r"another submission has made .*/jobs/one meanwhile; give .* another --name"):
        submission.send(job, Taken())
    assert folder.names() == ["job.json", "snapshot.pack", "start.py"]
    with pytest.raises(UserError, match="jobs/one exists; give the job another --name"):
        submission.send(job, Taken())


def test_what_gcloud_refuses_leaves_no_folder_behind(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = submission.buckets.Folder(tmp_path.as_uri() + "/jobs/one")
    folder.write("job.json", b"{}")
    job = submission.Job("one", "train", [], folder.address, REMOTE)

    def refuse(command: list[str]) -> None:
        assert json.dumps(command).count("one.yaml") == 1
        raise UserError("gcloud: no")

    monkeypatch.setattr(submission.gcloud, "run_json", refuse)
    with pytest.raises(UserError, match="gcloud: no"):
        submission.create(job, Machines("n1-standard-8", 1, "image"))
    assert folder.names() == []
