"""Jobs through the real gcloud, with a server on this machine in place of Vertex AI: docs/cloud.md."""

import os
import re
from pathlib import Path

import pytest

from tests.support import (
    bucket_servers,
    cloud_project,
    fast_project,
    project_copy,
    servers,
    three_stage_project,
    vertex_server,
)
from tests.support.repository import ROOT

MACHINE = ("--machine", "n1-standard-8", "--image", "europe-west4-docker.pkg.dev/demo/apparel/job")
METRICS = "data/results/eval/metrics.json"

pytestmark = [pytest.mark.slow, vertex_server.needs_gcloud, pytest.mark.skipif(os.name == "nt", reason="POSIX signals")]


class Cloud:
    """`apparel cloud` in a project, against a server."""

    def __init__(self, project: Path, server: vertex_server.VertexServer, **variables: str) -> None:
        self.project, self.server = project, server
        self.settings = server.settings(server.folder) | {"PYTHONPATH": str(ROOT)} | variables

    def run(self, *arguments: str, status: int = 0) -> str:
        """What the command prints."""
        done = project_copy.run(self.project, "apparel", "cloud", *arguments, **self.settings)
        assert done.returncode == status, done.stdout
        return done.stdout

    def submit(self, *arguments: str) -> str:
        """Submits a job; returns its number."""
        return re.search(r"^job (\d+); apparel cloud logs", self.run("submit", *arguments), re.MULTILINE)[1]


@pytest.fixture
def quick(three_stages_run, tmp_path):
    """A project of three stages that take a moment."""
    project = cloud_project.make(three_stages_run, tmp_path)
    with vertex_server.served(tmp_path / "machines", PYTHONPATH=str(ROOT)) as server:
        yield Cloud(project, server)


def test_a_training_is_submitted_followed_listed_and_fetched(quick):
    (quick.project / "params.yaml").write_text("data:\n  name: shop\ntrain:\n  seed: 7\n")
    network, account = "projects/12345/global/networks/default", "jobs@demo.iam.gserviceaccount.com"
    access = ("--network", network, "--service-account", account)
    number = quick.submit("train", *MACHINE, "--gpu", "T4", "--spot", *access, "--name", "seven")
    body = quick.server.jobs[number].body
    assert (body["jobSpec"]["network"], body["jobSpec"]["serviceAccount"]) == (network, account)
    assert body["labels"] == {"apparel": "train"}
    assert body["jobSpec"]["scheduling"] == {"strategy": "SPOT"}
    assert body["jobSpec"]["workerPoolSpecs"][0]["machineSpec"] == {
        "machineType": "n1-standard-8", "acceleratorType": "NVIDIA_TESLA_T4", "acceleratorCount": 1,
    }  # fmt: skip
    followed = quick.run("logs", number, "--follow")
    assert "Running stage 'train'" in followed
    assert followed.splitlines()[-1] == f"job {number} succeeded; its results: apparel cloud fetch {number}"
    assert re.search(rf"^{number} +succeeded .* 1 x n1-standard-8 +seven$", quick.run("jobs"), re.MULTILINE)
    assert "the results are in the working tree" in quick.run("fetch", number)
    assert "Data and pipelines are up to date." in three_stage_project.dvc(quick.project, "repro")


def test_a_job_that_fails_says_why_in_one_line_with_the_last_lines_of_its_log(quick):
    with (quick.project / "stages" / "work.py").open("a", encoding="utf-8") as script:
        script.write("\nif sys.argv[1] == 'train':\n    raise ValueError('no boxes at https://me:word@host/x')\n")
    number = quick.submit("train", *MACHINE)
    quick.server.wait(number)
    for command in (("fetch",), ("logs", "--follow")):
        said = quick.run(command[0], number, *command[1:], status=1)
        errors = [line for line in said.splitlines() if line.startswith("error: ")]
        reason = "`dvc repro` failed: ValueError: no boxes at https://host/x; the last lines of its log:"
        assert errors[-1].endswith(reason), said
        assert "    ValueError: no boxes at https://host/x" in said.splitlines()
        assert "word@" not in said


def test_a_job_is_cancelled_and_its_stages_end(quick):
    with (quick.project / "stages" / "work.py").open("a", encoding="utf-8") as script:
        script.write("\nif sys.argv[1] == 'train':\n    import time\n    time.sleep(3600)\n")
    number = quick.submit("train", *MACHINE)
    job = quick.server.jobs[number]
    servers.wait_for(lambda: any("train" in entry["jsonPayload"]["message"] for entry in job.entries))
    assert f"job {number} is told to end" in quick.run("cancel", number)
    assert quick.server.wait(number).state == "JOB_STATE_CANCELLED"
    assert job.entries[-1]["jsonPayload"]["message"] == (
        "error: it was told to end: cancelled, or the machine was taken away"
    )
    assert "the job failed: it was told to end" in quick.run("fetch", number, status=1)


def test_what_vertex_ai_refuses_is_one_line(quick):
    assert "error: gcloud: " in quick.run("fetch", "99", status=1)
    assert "error: gcloud: Invalid value for [region]" in quick.run("jobs", "--region", "mars-west1", status=1)
    said = quick.run("submit", "train", *MACHINE, "--name", "one", "--region", "us-east1", status=1)
    assert said.splitlines()[-1].startswith("error: gcloud: ")
    assert not list((quick.project.parent / "storage" / "jobs").glob("*"))
    del quick.settings["CLOUDSDK_AI_REGION"]
    assert "gcloud config set ai/region" in quick.run("jobs", status=1)


def test_a_bucket_of_google_cloud_storage(three_stages_run, tmp_path):
    """The emulator for the bucket and for DVC's remote."""
    project = cloud_project.make(three_stages_run, tmp_path)
    three_stage_project.dvc(project, "remote", "add", "--force", "--default", "storage", "gs://bucket/apparel")
    three_stage_project.dvc(project, "remote", "modify", "storage", "allow_anonymous_login", "true")
    three_stage_project.commit(project, "gs")
    (project / "params.yaml").write_text("data:\n  name: shop\ntrain:\n  seed: 7\n")
    with bucket_servers.gcs() as storage:
        machine = {"PYTHONPATH": str(ROOT)} | storage.environment
        with vertex_server.served(tmp_path / "machines", **machine) as server:
            cloud = Cloud(project, server, **storage.environment)
            number = cloud.submit("train", *MACHINE, "--name", "seven")
            assert server.wait(number).state == "JOB_STATE_SUCCEEDED", server.jobs[number].entries
            assert server.jobs[number].body["jobSpec"]["workerPoolSpecs"][0]["containerSpec"]["args"] == [
                "gs://bucket/apparel/jobs/seven"
            ]
            assert "the results are in the working tree" in cloud.run("fetch", number)
    assert "Data and pipelines are up to date." in three_stage_project.dvc(project, "repro")


def test_two_machines_train_one_model(tmp_path):
    """The pipeline's own stages; the training is short."""
    project = project_copy.copy(tmp_path / "home")
    project_copy.set_params(project / "data" / "demo" / "params.yaml", draw=fast_project.DRAWN)
    quick = {"resolution": 96, "batch_size": 4, "steps": 4, "replicas": 2}
    project_copy.set_params(project / "params.yaml", train=quick, eval={"pictures": 0})
    three_stage_project.dvc(project, "remote", "add", "--default", "storage", str(tmp_path / "storage"))
    fast_project.commit(project, "remote")
    with vertex_server.served(tmp_path / "machines") as server:
        cloud = Cloud(project, server)
        assert "has to be a multiple" in cloud.run("submit", "train", *MACHINE, "--machines", "3", status=1)
        number = cloud.submit("train", *MACHINE, "--machines", "2", "--name", "both")
        job = server.wait(number)
        assert job.state == "JOB_STATE_SUCCEEDED", job.entries
        assert job.body["jobSpec"]["scheduling"] == {"restartJobOnWorkerRestart": True}
        said = [
            entry["jsonPayload"]["message"]
            for entry in job.entries
            if entry["resource"]["labels"]["task_name"] == "workerpool1-0"
        ]
        assert "machine 1 of 2 did its part; the model is on machine 0" in said
        assert not any("Running stage 'train'" in line for line in said)
        fetched = cloud.run("fetch", number)
    assert "1 run is in MLflow" in fetched
    assert "the results are in the working tree" in fetched
    assert "Data and pipelines are up to date." in three_stage_project.dvc(project, "repro")


def test_a_result_of_the_drawn_photos_has_its_lineage_at_home(tmp_path):
    """Train and eval that learn nothing; all else is the pipeline's own."""
    project = fast_project.copy(tmp_path / "home")
    three_stage_project.dvc(project, "remote", "add", "--default", "storage", str(tmp_path / "storage"))
    fast_project.commit(project, "remote")
    project_copy.set_params(project / "params.yaml", train={"seed": 5})
    with vertex_server.served(tmp_path / "machines") as server:
        cloud = Cloud(project, server)
        number = cloud.submit("train", *MACHINE, "--name", "first")
        assert server.wait(number).state == "JOB_STATE_SUCCEEDED", server.jobs[number].entries
        fetched = cloud.run("fetch", number)
    assert "1 run is in MLflow" in fetched
    assert "the results are in the working tree" in fetched
    assert "Data and pipelines are up to date." in three_stage_project.dvc(project, "repro")
    traced = project_copy.run(project, "apparel", "trace", METRICS)
    assert traced.returncode == 0, traced.stdout
    assert re.search(r"^run +MLflow +[0-9a-f]{32}  first, finished$", traced.stdout, re.MULTILINE)
    assert "every link holds" in traced.stdout
    second = tmp_path / "second"  # another clone, which did not submit the job
    project_copy.git(tmp_path, "clone", "--quiet", str(project), "second")
    done = project_copy.run(second, "apparel", "cloud", "fetch", f"file://{tmp_path}/storage/jobs/first")
    assert "the working tree stays as it is: params.yaml changed since the job was submitted" in done.stdout
    three_stage_project.dvc(second, "exp", "apply", "first")
    assert "Data and pipelines are up to date." in three_stage_project.dvc(second, "repro")
