"""What docs/sharing.md says: a second clone gets everything from a DVC remote, and runs nothing."""

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from tests.support import project_copy, three_stage_project

S3_KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
BUCKET = "bucket"
WEIGHTS = "data/results/train/model/weights.txt"

pytestmark = pytest.mark.slow


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(address: str) -> bool:
    try:
        urllib.request.urlopen(address, timeout=5).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


@pytest.fixture(scope="module")
def serve(tmp_path_factory):
    """Starts a server, given the arguments that follow its port; returns its address once it answers."""
    started = []

    def start(*command: str) -> str:
        port = str(free_port())
        folder = tmp_path_factory.mktemp("server")
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, *(part.replace("PORT", port) for part in command)], cwd=folder, stdout=log, stderr=log
            )
        started.append(process)
        address = f"http://127.0.0.1:{port}"
        while not answers(address):
            assert process.poll() is None, (folder / "log").read_text(encoding="utf-8")
            time.sleep(0.1)
        return address

    yield start
    for process in started:
        process.terminate()
        process.wait()


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """The clone that shares, its results committed."""
    return three_stage_project.make(tmp_path_factory.mktemp("first"))


def folder_remote(serve, folder) -> tuple[str, dict[str, str], dict[str, str]]:
    """Address, options of this machine and environment of a remote that is a folder."""
    return str(folder / "storage"), {}, {}


def s3_remote(serve, folder) -> tuple[str, dict[str, str], dict[str, str]]:
    """The same of a bucket on an S3 server."""
    address = serve("-m", "moto.server", "--host", "127.0.0.1", "--port", "PORT")
    urllib.request.urlopen(urllib.request.Request(f"{address}/{BUCKET}", method="PUT")).close()
    return f"s3://{BUCKET}/apparel", {"endpointurl": address}, S3_KEYS


def gcs_remote(serve, folder) -> tuple[str, dict[str, str], dict[str, str]]:
    """The same of a bucket on a Google Cloud Storage server."""
    server = ("-m", "gcp_storage_emulator", "start", "--host=127.0.0.1", "--port=PORT", "--in-memory")
    address = serve(*server, f"--default-bucket={BUCKET}")
    options = {"endpointurl": address, "allow_anonymous_login": "true"}
    # Else gcsfs asks a second, encrypted service, which the emulator lacks, what kind of bucket it is; for minutes.
    return f"gs://{BUCKET}/apparel", options, {"GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false"}


def set_options(clone, options: dict[str, str]) -> None:
    """What is true of this machine alone: where the server is."""
    lines = ["['remote \"storage\"']", *(f"    {name} = {value}" for name, value in options.items())]
    (clone / ".dvc" / "config.local").write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.mark.parametrize("remote", [folder_remote, s3_remote, gcs_remote], ids=["folder", "s3", "gs"])
def test_a_second_clone_gets_everything_and_runs_nothing(remote, serve, first, tmp_path):
    address, options, environment = remote(serve, tmp_path)
    origin = tmp_path / "origin"
    project_copy.git(tmp_path, "init", "--quiet", "--bare", "--initial-branch", "main", "origin")
    project_copy.git(first, "remote", "add", remote.__name__, str(origin))
    three_stage_project.dvc(first, "remote", "add", "--force", "--default", "storage", address)
    set_options(first, options)
    project_copy.git(first, "commit", "--quiet", "--all", "--message", "remote")
    three_stage_project.dvc(first, "push", **environment)
    project_copy.git(first, "push", "--quiet", remote.__name__, "main")
    three_stage_project.dvc(first, "exp", "run", "--quiet", "--name", "seven", "--set-param", "train.seed=7")
    three_stage_project.dvc(first, "exp", "push", remote.__name__, "seven", **environment)
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
