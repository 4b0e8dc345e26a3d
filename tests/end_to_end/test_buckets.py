"""gs:// and s3:// where a path could stand, on servers that speak as Google's and Amazon's do; and a lost machine."""

import filecmp
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from apparel.analysis.predictions import bucket_output, run
from apparel.analysis.predictions.photo_sources import PhotoSources
from apparel.data.ingest import sources
from apparel.errors import UserError
from apparel.utils import buckets
from tests.support import bucket_servers, fast_project, project_copy, servers
from tests.support.whole_photo_network import WholePhotoNetwork

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=[bucket_servers.gcs, bucket_servers.s3], ids=["gs", "s3"])
def served(request):
    with request.param() as server, pytest.MonkeyPatch.context() as patch:
        for name, value in server.environment.items():
            patch.setenv(name, value)
        yield server


def test_files_of_a_folder_are_written_read_listed_replaced_and_removed(served, tmp_path):
    folder = buckets.Folder(f"{served.bucket}/folder of {tmp_path.name}".replace(" ", "-"))
    assert folder.names() == []
    (tmp_path / "large").write_bytes(bytes(9_000_000))
    folder.upload("deep/large", tmp_path / "large")
    folder.write("small", b"small")
    folder.write("small", b"other")
    folder.write("empty", b"")
    assert folder.names() == ["deep", "empty", "small"]
    assert (folder.read("small", 10), folder.read("empty", 10)) == (b"other", b"")
    folder.download("deep/large", tmp_path / "back", 10**7)
    assert filecmp.cmp(tmp_path / "large", tmp_path / "back", shallow=False)
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "page.html").write_text("new")
    folder.replace("deep", tmp_path / "new")
    assert buckets.Folder(folder.file("deep")).names() == ["page.html"]
    folder.remove(["small", "gone"])
    assert folder.names() == ["deep", "empty"]
    folder.remove()
    assert folder.names() == []


def test_a_file_is_created_where_there_is_none(served, tmp_path):
    folder = buckets.Folder(f"{served.bucket}/{tmp_path.name}")
    assert folder.create("start.py", b"first")
    if served.bucket.startswith("s3://"):  # the emulator of Google's storage does not know its condition
        assert not folder.create("start.py", b"second")
        assert folder.read("start.py", 10) == b"first"


def test_a_bucket_that_is_not_there_is_named(served, tmp_path):
    missing = served.bucket.replace(bucket_servers.BUCKET, "nowhere")
    (tmp_path / "file").write_bytes(b"file")
    for call in (
        lambda: buckets.Folder(f"{missing}/x").names(),
        lambda: buckets.Folder(f"{missing}/x").write("a", b"a"),
        lambda: buckets.upload(tmp_path / "file", f"{missing}/x/file"),
        lambda: sources.open_source(f"{missing}/x", None, (), tmp_path),
    ):
        with pytest.raises(UserError, match="there is no bucket nowhere"):
            call()
    with pytest.raises(UserError, match=r"there is no .*gone"):
        buckets.Folder(served.bucket).read("gone", 10)


def test_photos_come_from_a_bucket_and_the_output_goes_there(served, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(bucket_output, "PHOTOS_A_PART", 3)
    Path("shop").mkdir()
    for number in range(8):
        Image.new("RGB", (20, 30 + number), "red").save(Path("shop", f"{number}.png"))
    address = f"{served.bucket}/predict"
    buckets.Folder(address).replace("shop", Path("shop"))
    opened = sources.open_source(f"{address}/shop", None, (), tmp_path / "work")
    assert [(entry.name, entry.path.read_bytes()) for entry in opened.entries] == [
        (f"{number}.png", Path("shop", f"{number}.png").read_bytes()) for number in range(8)
    ]

    def asked(network, out, **bucket):
        photos = PhotoSources([f"{address}/shop"], f"{address}/found" if bucket else out)
        return run.Prediction(photos, [network], Path("model"), out, ("json", "pictures", "crops"), None, "x", **bucket)

    run.run(asked(WholePhotoNetwork(), Path("found")))
    with bucket_output.opened(f"{address}/found") as output:
        run.run(asked(WholePhotoNetwork(), output.folder, bucket=output))
    fetched = sources.open_source(f"{address}/found", None, (), tmp_path / "again").entries
    content = {entry.name: entry.path.read_bytes() for entry in fetched if not entry.name.startswith("parts/")}
    here = [path for path in Path("found").rglob("*") if path.is_file() and path.name != ".lock"]
    assert content == {path.relative_to("found").as_posix(): path.read_bytes() for path in here}
    with bucket_output.opened(f"{address}/found") as output:
        network = WholePhotoNetwork()
        run.run(asked(network, output.folder, bucket=output))
    assert "goes on after 8 photos" in capsys.readouterr().out
    assert network.calls == []


def test_without_credentials_the_remedy_is_named(served, tmp_path):
    """As a user's first call: no variables but the server's address."""
    code = "from apparel.utils import buckets; from apparel import errors; import sys; "
    code += "errors.run(lambda: print(buckets.Folder(sys.argv[1]).names()))"
    if served.bucket.startswith("gs"):
        pytest.skip("the emulator asks for none")
    environment = {"AWS_ENDPOINT_URL": served.endpoint, "HOME": str(tmp_path), "AWS_EC2_METADATA_DISABLED": "true"}
    done = subprocess.run(
        [sys.executable, "-c", code, f"{served.bucket}/x"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.stderr.splitlines()[-1].startswith(f"error: {served.bucket}/x does not answer as it should: ")
    assert "`aws configure`, or AWS_ACCESS_KEY_ID" in done.stderr


def test_a_server_that_is_away_is_an_error_of_one_line(tmp_path):
    code = "from apparel.utils import buckets; from apparel import errors; import sys; "
    code += "errors.run(lambda: print(buckets.Folder(sys.argv[1]).names()))"
    address = f"http://127.0.0.1:{servers.free_port()}"
    environment = {
        "AWS_ENDPOINT_URL": address, "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "HOME": str(tmp_path),
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", code, "s3://bucket/x"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: s3://bucket/x does not answer as it should: ")
    assert len(done.stderr.splitlines()) == 1


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A small copy of the project, its records made, nothing trained."""
    folder = project_copy.copy(tmp_path_factory.mktemp("prepared"))
    train = {"resolution": 96, "batch_size": 8, "steps": 30, "validate_every": 2}
    project_copy.set_params(folder / "params.yaml", train=train)
    project_copy.set_params(folder / "data" / "demo" / "params.yaml", draw=fast_project.DRAWN)
    for stage in ("draw", "convert", "split", "tfrecord"):
        done = project_copy.run(folder, f"stages.{stage}")
        assert done.returncode == 0, done.stdout
    return folder


def trained(folder: Path) -> dict[str, bytes]:
    root = folder / "data" / "results" / "train"
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.skipif(sys.platform == "win32", reason="kills a process")
def test_a_training_whose_machine_was_lost_goes_on_elsewhere_with_the_same_bytes(prepared, tmp_path):
    machines = {name: tmp_path / name for name in ("undisturbed", "lost", "next")}
    for folder in machines.values():
        shutil.copytree(prepared, folder, symlinks=True)
    with bucket_servers.gcs() as server:
        place = {"APPAREL_CHECKPOINTS": f"{server.bucket}/checkpoints"} | server.environment
        store = buckets.Folder(place["APPAREL_CHECKPOINTS"])
        done = project_copy.run(machines["undisturbed"], "stages.train")
        assert done.returncode == 0, done.stdout
        with pytest.MonkeyPatch.context() as patch:
            for name, value in server.environment.items():
                patch.setenv(name, value)
            lost = subprocess.Popen(
                [sys.executable, "-m", "stages.train"], cwd=machines["lost"], env=environment_of(place)
            )
            servers.wait_for(lambda: lost.poll() is not None or has_checkpoint(store))
            assert lost.poll() is None
            lost.send_signal(signal.SIGKILL)
            lost.wait()
            done = project_copy.run(machines["next"], "stages.train", **place)
            assert done.returncode == 0, done.stdout
            assert "comes from gs://bucket/checkpoints/" in done.stdout
            assert "resuming from step" in done.stdout
            assert trained(machines["next"]) == trained(machines["undisturbed"])
            assert store.names() == ["tensorboard"]
            assert len(buckets.Folder(store.file("tensorboard")).names()) == 1  # one run in MLflow, not two


def has_checkpoint(store: buckets.Folder) -> bool:
    return any(buckets.Folder(store.file(key)).names() for key in store.names() if key != "tensorboard")


def environment_of(variables: dict[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "DVC_", "OPTUNA_"))}
    return kept | variables
