"""The work of a machine around its commands; whole jobs: tests/apparel/cloud/test_fetch.py."""

import json
import shutil
import sys

import pytest

from apparel.cloud import dvc_remote, replica, results
from apparel.cloud.dvc_remote import Remote
from apparel.errors import UserError
from apparel.training import cluster
from apparel.training.cluster import Cluster
from apparel.utils.buckets import Folder
from tests.support import three_stage_project

JOB = {
    "name": "one", "task": "predict", "arguments": ["gs://b/photos"], "commit": "1" * 40, "state": "1" * 40,
    "remote": {"name": "storage", "url": "s3://b/dvc", "region": "eu"}, "variables": {},
}  # fmt: skip


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine whose commands only note that they ran, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(replica.os, "environ", dict(replica.os.environ))
    monkeypatch.setattr(replica.git, "experiments", dict)
    monkeypatch.setattr(replica, "push", lambda experiments, before: None)
    ran = []
    monkeypatch.setattr(replica.Replica, "_python", lambda self, *arguments: ran.append(arguments))
    monkeypatch.setattr(results, "send_files", lambda folder, made: ran.append(made.as_posix()))
    monkeypatch.setattr(results, "send_runs", lambda folder, attempt: None)

    def work(**changes) -> list:
        replica.Replica((tmp_path / "job").as_uri(), JOB | changes, Cluster(1, 2)).run()
        return ran

    return work


def test_predictions_lie_where_they_are_sent_from(machine, tmp_path):
    assert machine()[1:] == [
        ("apparel", "predict", "gs://b/photos", "--out", "predictions/one"), "predictions/one",
    ]  # fmt: skip
    ending = json.loads((tmp_path / "job" / "machine-1" / "end.json").read_text())
    assert ending == {"rank": 1, "failure": "", "log": "", "experiments": {}}


def test_in_a_bucket_predictions_are_written_where_the_next_machine_finds_them(machine, monkeypatch):
    folder = Folder("memory://jobs/one/machine-1")
    monkeypatch.setattr(results, "machine_folder", lambda job, rank: folder)
    monkeypatch.setattr(replica.buckets, "SCHEMES", ("memory://",))
    out = ("--out", "memory://jobs/one/machine-1/predictions")
    assert machine()[1:] == [("apparel", "predict", "gs://b/photos", *out)]
    with_beam = ["gs://b/photos", "--runner=DirectRunner"]
    assert machine(arguments=with_beam)[-2:] == [
        ("apparel", "predict", *with_beam, "--out", "predictions/one"), "predictions/one",
    ]  # fmt: skip


def test_predictions_that_go_to_a_bucket_are_not_sent_again(machine):
    arguments = ["gs://b/photos", "--out=gs://b/found"]
    assert machine(arguments=arguments)[1:] == [("apparel", "predict", *arguments)]


def test_variables_of_the_job_are_set_where_the_machine_has_none(machine, monkeypatch):
    monkeypatch.setenv("APPAREL_STORAGE", "grpc://mine:1")
    machine(variables={"APPAREL_STORAGE": "grpc://db:13000", "APPAREL_CHECKPOINTS": "gs://b/checkpoints"})
    assert replica.os.environ["APPAREL_STORAGE"] == "grpc://mine:1"
    assert replica.os.environ["APPAREL_CHECKPOINTS"] == "gs://b/checkpoints"


def test_a_sweep_gets_its_options_and_dvc_the_remote_of_the_job(machine, tmp_path):
    assert machine(task="sweep", arguments=["--trials", "8"]) == [
        ("dvc", "pull", "--run-cache", "--allow-missing"), ("apparel", "sweep", "--trials", "8"),
    ]  # fmt: skip
    assert dvc_remote.default_remote() == Remote("storage", {"url": "s3://b/dvc", "region": "eu"})


@pytest.mark.parametrize("url", ["gs://b/a,b", "gs://b/it's", 's3://b/"x"/%20/ä', "gs://b/{x}/$HOME"])
def test_a_remote_of_any_name_arrives_as_it_is(machine, url):
    remote = {"name": "my remote", "url": url}
    machine(remote=remote)
    assert dvc_remote.default_remote() == Remote("my remote", {"url": url})


def test_the_ending_of_an_attempt_before_is_gone_while_the_next_one_works(machine, tmp_path, monkeypatch):
    job = (tmp_path / "job").as_uri()
    results.write_ending(results.machine_folder(job, 1), results.Ending(1, replica.TOLD_TO_END, "", {}))
    found = []
    monkeypatch.setattr(replica.Replica, "_work", lambda self: found.append(results.read_endings(job)))
    machine()
    assert found == [[]]
    assert results.read_endings(job) == [results.Ending(1, "", "", {})]


def test_whatever_a_library_raises_is_an_ending_with_one_line(machine, tmp_path, monkeypatch, capsys):
    def fail(self) -> None:
        raise KeyError("no\nroom at https://me:word@host/x")

    monkeypatch.setattr(replica.Replica, "_work", fail)
    monkeypatch.setattr(replica.Replica, "_share", lambda self: {}["experiment"])
    with pytest.raises(UserError, match=r"^KeyError: .*no.*room at https://host/x'$"):
        machine()
    ending = results.read_endings((tmp_path / "job").as_uri())[0]
    assert ending.failure.startswith("KeyError: ")
    assert "Traceback (most recent call last):" in ending.log.splitlines()
    assert "word@" not in ending.log + capsys.readouterr().out
    monkeypatch.setattr(replica.Replica, "_work", lambda self: None)
    with pytest.raises(UserError, match="its results could not be sent: KeyError: 'experiment'"):
        machine()


def test_a_bucket_that_is_away_at_the_end_does_not_hide_why_the_work_failed(machine, monkeypatch):
    def fail(*_) -> None:
        raise UserError("the bucket does not answer")

    monkeypatch.setattr(results, "write_ending", fail)
    with pytest.raises(UserError, match="has no task 'dance'"):
        machine(task="dance")
    with pytest.raises(UserError, match="the bucket does not answer"):
        machine()


def test_a_machine_that_helps_the_chief_trains_and_sends_nothing(machine, monkeypatch):
    monkeypatch.setattr(replica, "is_in_run_cache", lambda stage: False)
    monkeypatch.setattr(replica.Replica, "_share", lambda self: pytest.fail("only the chief has results"))
    replica.os.environ["TF_CONFIG"] = "kept"
    assert machine(task="train")[1:] == [("dvc", "repro", "tfrecord", "--pull"), ("stages.train",)]
    assert replica.os.environ["TF_CONFIG"] == "kept"


def test_a_model_that_is_in_the_run_cache_is_not_trained_without_the_chief(machine, monkeypatch):
    monkeypatch.setattr(replica, "is_in_run_cache", lambda stage: stage == "train")
    assert machine(task="train")[1:] == [("dvc", "repro", "tfrecord", "--pull")]


def test_workers_of_a_sweep_are_no_cluster(machine):
    replica.os.environ |= {"TF_CONFIG": "{}", "CLUSTER_SPEC": "{}", "APPAREL_RANK": "1", "APPAREL_MACHINES": "2"}
    machine(task="sweep", arguments=[])
    assert not {*cluster.VARIABLES} & {*replica.os.environ}


@pytest.mark.parametrize(("task", "expected"), [("sweep", 2), ("train", 0)])
def test_trials_are_sent_while_a_sweep_goes_on(tmp_path, monkeypatch, capsys, task, expected):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(replica, "SECONDS_A_SHARE", 0)
    (tmp_path / "working.py").write_text("print('one')\nprint('two')\n")
    shared = []

    def share(self) -> None:
        shared.append(list(self._lines))
        raise OSError("the bucket is away")

    monkeypatch.setattr(replica.Replica, "_share", share)
    replica.Replica(tmp_path.as_uri(), JOB | {"task": task}, Cluster())._python("working")
    assert shared == [["one"], ["one", "two"]][:expected]
    assert (
        capsys.readouterr().out.count("warning: what is done so far is on this machine alone: the bucket") == expected
    )


@pytest.mark.slow
def test_the_run_cache_is_asked_as_repro_asks_it(three_stages_run, tmp_path, monkeypatch):
    project = shutil.copytree(three_stages_run, tmp_path / "project")
    monkeypatch.chdir(project)
    weights = project / "data/results/train/model/weights.txt"
    first = weights.read_bytes()
    assert replica.is_in_run_cache("train")
    params = project / "params.yaml"
    params.write_text(params.read_text().replace("seed: 0", "seed: 1"))
    assert not replica.is_in_run_cache("train")
    three_stage_project.dvc(project, "repro", "--quiet")
    params.write_text(params.read_text().replace("seed: 1", "seed: 0"))
    assert weights.read_bytes() != first
    assert replica.is_in_run_cache("train")
    assert weights.read_bytes() == first


def test_a_task_of_a_later_version_fails_and_says_so_in_the_bucket(machine, tmp_path):
    with pytest.raises(UserError, match="has no task 'dance'"):
        machine(task="dance")
    ending = json.loads((tmp_path / "job" / "machine-1" / "end.json").read_text())
    assert ending["failure"] == "this version of the project has no task 'dance'"


def test_the_last_error_of_a_command_is_why_it_failed(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "failing.py").write_text("print('a\\rb 10%\\rb 100%')\nraise KeyError('https://me:word@host/')\n")
    machine = replica.Replica(tmp_path.as_uri(), JOB, Cluster())
    with pytest.raises(UserError, match="`failing` failed: KeyError: 'https://host/'"):
        machine._python("failing")
    assert "\nb 100%\n" in capsys.readouterr().out
    (tmp_path / "killed.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n")
    with pytest.raises(UserError, match="SIGKILL ended it, which the system does where memory runs out"):
        machine._python("killed")
    assert sys.executable
