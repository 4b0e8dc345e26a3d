"""What docs/sharing.md says: a second clone gets everything from a DVC remote, and runs nothing."""

import shutil
from dataclasses import replace

import pytest

from tests.support import bucket_servers, project_copy, three_stage_project

WEIGHTS = "data/results/train/model/weights.txt"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def first(three_stages_run, tmp_path_factory):
    """The clone that shares, its results committed."""
    return shutil.copytree(three_stages_run, tmp_path_factory.mktemp("first") / "project")


@pytest.fixture(params=["folder", "s3", "gs"])
def remote(request, tmp_path):
    """A remote in a folder, or in a bucket on a server."""
    if request.param == "folder":
        yield bucket_servers.Served(str(tmp_path / "storage"), "")
        return
    with {"s3": bucket_servers.s3, "gs": bucket_servers.gcs}[request.param]() as server:
        yield replace(server, bucket=f"{server.bucket}/apparel")


def set_options(clone, options: dict[str, str]) -> None:
    """What is true of this machine alone: where the server is."""
    lines = ["['remote \"storage\"']", *(f"    {name} = {value}" for name, value in options.items())]
    (clone / ".dvc" / "config.local").write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_a_second_clone_gets_everything_and_runs_nothing(remote, first, tmp_path, request):
    address, options, environment = remote.bucket, remote.options, remote.environment
    origin, name = tmp_path / "origin", request.node.callspec.id
    project_copy.git(tmp_path, "init", "--quiet", "--bare", "--initial-branch", "main", "origin")
    project_copy.git(first, "remote", "add", name, str(origin))
    three_stage_project.dvc(first, "remote", "add", "--force", "--default", "storage", address)
    set_options(first, options)
    project_copy.git(first, "commit", "--quiet", "--all", "--message", "remote")
    three_stage_project.dvc(first, "push", **environment)
    project_copy.git(first, "push", "--quiet", name, "main")
    three_stage_project.dvc(first, "exp", "run", "--quiet", "--name", "seven", "--set-param", "train.seed=7")
    three_stage_project.dvc(first, "exp", "push", name, "seven", **environment)
    project_copy.git(first, "restore", ".")
    three_stage_project.dvc(first, "checkout", "--quiet")

    second = tmp_path / "second"
    project_copy.git(tmp_path, "clone", "--quiet", str(origin), "second")
    set_options(second, options)
    three_stage_project.dvc(second, "pull", **environment)
    for path in ("data/shop/photos/one.jpg", "data/shop/annotations/one.xml", WEIGHTS):
        assert (second / path).read_bytes() == (first / path).read_bytes()
    lock = (second / "dvc.lock").read_bytes()
    assert "Data and pipelines are up to date." in three_stage_project.dvc(second, "repro")
    assert (second / "dvc.lock").read_bytes() == lock
    assert not project_copy.git(second, "status", "--porcelain")

    three_stage_project.dvc(second, "exp", "pull", "origin", "seven", **environment)
    three_stage_project.dvc(second, "exp", "apply", "seven")
    assert (second / WEIGHTS).read_text(encoding="utf-8").endswith("7")
    assert "Data and pipelines are up to date." in three_stage_project.dvc(second, "repro")
