"""`apparel cloud submit` and `prepare`: what they show, and what they refuse before anything is sent."""

import argparse
import re

import pytest

from apparel import cli
from apparel.cli import cloud_submit
from apparel.errors import UserError
from tests.support import cloud_project, three_stage_project


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return cloud_project.make_unrun(tmp_path_factory.mktemp("cloud"))


@pytest.fixture
def call(project, monkeypatch, capsys):
    """Runs `apparel cloud ARGUMENTS` in the project; returns what it prints."""
    monkeypatch.chdir(project)
    for name in ("APPAREL_BUCKET", "APPAREL_IMAGE", "APPAREL_STORAGE", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str) -> str:
        parser = argparse.ArgumentParser(prog="apparel cloud")
        command = cli.configure(parser, "cloud")
        command.main(parser.parse_args(arguments))
        return capsys.readouterr().out

    return run


SUBMIT = ("submit", "sweep", "--machine", "n1-standard-8", "--image", "image", "--machines", "3", "--name", "one")


def test_a_dry_run_shows_the_configuration_and_gcloud_and_does_nothing(call, project, monkeypatch):
    monkeypatch.setenv("PATH", "/usr/bin:/bin")  # gcloud may be there or not
    before = sorted(project.rglob("*"))
    shown = call(*SUBMIT, "--dry-run", "--spot", "--", "--trials", "8", "--storage", "grpc://db:13000")
    assert "job       one: sweep --trials 8\n" in shown
    assert "replicaCount: 2\n" in shown
    assert "strategy: SPOT\n" in shown
    assert "value: grpc://db:13000\n" in shown
    assert shown.splitlines()[-1] == (
        "gcloud ai custom-jobs create --display-name=one --labels=apparel=sweep --config=.apparel/cloud/one.yaml"
    )
    assert sorted(project.rglob("*")) == before
    assert not (project.parent / "storage").exists()


def test_what_may_make_a_job_useless_or_dear_is_a_warning(call):
    storage = ("--", "--storage", "grpc://10.0.0.5:13000")
    shown = call(*SUBMIT, "--dry-run", "--gpu", "T4:2", *storage).splitlines()
    assert [re.sub("file:.*?jobs/", "", line) for line in shown if line.startswith("warning: ")] == [
        "warning: one is a folder of this machine, which others reach only where they mount it; see --bucket",
        "warning: each machine uses its first GPU, and would have 2: more machines use more",
        "warning: APPAREL_STORAGE=grpc://10.0.0.5:13000 is inside of a network: Vertex AI's machines reach it where "
        "--network names that",
    ]  # fmt: skip


def test_prepare_sends_the_snapshot_and_shows_what_machines_run(call, project):
    shown = call("prepare", "train", "--name", "two")
    folder = (project.parent / "storage" / "jobs" / "two").as_uri()
    assert "on each machine: python -c '" in shown
    assert shown.splitlines()[-1] == f"once it has run: apparel cloud fetch {folder}"
    assert sorted(path.name for path in (project.parent / "storage" / "jobs" / "two").iterdir()) == [
        "job.json", "snapshot.pack", "start.py",
    ]  # fmt: skip
    assert "Everything is up to date" in three_stage_project.dvc(project, "push")
    with pytest.raises(UserError, match="jobs/two exists; give the job another --name"):
        call("prepare", "train", "--name", "two")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("submit", "train", "--machine", "n1-standard-8"), "--image, or the variable APPAREL_IMAGE"),
        (("prepare", "train", "--", "--seed", "1"), "train takes nothing after `--`"),
        (("prepare", "sweep", "--", "--report"), "--report makes no sense in a job"),
        (("prepare", "predict", "--", "gs://b/x", "--out", "y"), "--out makes no sense in a job"),
        (("prepare", "predict", "--", "photos"), "the job does not have photos"),
        (("prepare", "train", "--bucket", "bucket"), "is no address of a folder"),
        (
            ("submit", "eval", "--machine", "n1-standard-8", "--image", "x", "--machines", "2"),
            "eval runs on one machine",
        ),
    ],
)
def test_what_cannot_work_is_refused_first(call, arguments, said):
    with pytest.raises(UserError, match=said):
        call(*arguments)


def test_a_file_outside_of_the_project_stays_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outside = tmp_path.parent / "sweep.yaml"
    outside.touch()
    for task, rest in (("sweep", ["--config", str(outside)]), ("predict", ["gs://b/x", "--model=../sweep.yaml"])):
        with pytest.raises(UserError, match=r"the job does not have .*sweep\.yaml, which lies outside of the project"):
            cloud_submit.check_rest(task, rest)
    (tmp_path / "sweep.yaml").touch()
    cloud_submit.check_rest("sweep", ["--config", "sweep.yaml"])
    cloud_submit.check_rest("predict", ["gs://b/x", "--model", "champion"])


def test_predictions_may_go_to_a_bucket():
    cloud_submit.check_rest("predict", ["gs://b/x", "--out", "gs://b/y"])


@pytest.mark.parametrize("rest", [["--trails", "8"], ["--workers", "0"]])
def test_an_option_that_the_command_does_not_have_is_its_own_error(rest, capsys):
    with pytest.raises(SystemExit):
        cloud_submit.check_rest("sweep", rest)
    assert "usage: apparel sweep" in capsys.readouterr().err
