"""Output of a prediction run in a bucket: the files of a local one, whole parts alone, and runs that go on anywhere."""

import io
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from apparel.analysis.predictions import bucket_output, prediction_run, run
from apparel.analysis.predictions.photo_sources import PhotoSources
from apparel.errors import UserError
from tests.support import memory_bucket
from tests.support.whole_photo_network import WholePhotoNetwork

OUTPUTS = ("json", "pictures", "crops", "xml")
PHOTOS = 7


@pytest.fixture
def bucket(tmp_path, monkeypatch):
    """A bucket beside a folder with photos, one of which is none."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(bucket_output, "PHOTOS_A_PART", 2)
    Path("shop").mkdir()
    for number in range(PHOTOS):
        Image.new("RGB", (20, 30 + number), "red").save(Path("shop", f"{number}.png"))
    Path("shop", "3.png").write_bytes(b"no photo")
    return memory_bucket.make(monkeypatch)


def predict(out, network=None, sources=("shop",), outputs=OUTPUTS):
    photos, networks = PhotoSources(list(sources), out), [network or WholePhotoNetwork()]
    asked = run.Prediction(photos, networks, Path("model"), out, outputs, None, "apparel predict shop")
    if isinstance(out, Path):
        run.run(asked)
        return
    with bucket_output.opened(out) as output:
        run.run(replace(asked, folder=output.folder, bucket=output))


def predict_until(out, monkeypatch, written):
    """A run that is killed before it writes the photo of that number."""
    write = prediction_run.write

    def killed(detected, tables, writers):
        if tables.photos + tables.problems == written:
            raise KeyboardInterrupt
        write(detected, tables, writers)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(prediction_run, "write", killed)
        predict(out)


def without_parts(address):
    """What a run wrote but for its parts."""
    return {name: data for name, data in memory_bucket.files(address).items() if not name.startswith("parts/")}


def in_folder(folder):
    found = (path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def test_a_bucket_gets_the_files_of_a_folder(bucket, capsys, tmp_path):
    memory_bucket.fill(f"{bucket}/photos", tmp_path / "shop")
    predict(Path("found"), sources=[f"{bucket}/photos"])
    predict(f"{bucket}/found", sources=[f"{bucket}/photos"])
    assert without_parts(f"{bucket}/found") == in_folder(Path("found"))
    said = capsys.readouterr().out
    assert f"6 detections on 6 photos; 1 could not be read, see {bucket}/found/problems.csv" in said
    assert f"look through them: {bucket}/found/index.html" in said


def test_a_page_in_a_bucket_has_no_paths_of_this_machine(bucket, tmp_path):
    predict(f"{bucket}/found")
    page = memory_bucket.files(f"{bucket}/found")["page/00000.js"].decode()
    assert '"sources": ["", ""' in page
    assert str(tmp_path) not in page


@pytest.mark.parametrize("written", [0, 1, 2, 3, 5])
def test_a_run_that_was_killed_goes_on_on_an_empty_machine(bucket, monkeypatch, capsys, written):
    predict(f"{bucket}/whole")
    predict_until(f"{bucket}/killed", monkeypatch, written)
    assert "index.html" not in memory_bucket.files(f"{bucket}/killed")
    network = WholePhotoNetwork()
    capsys.readouterr()
    predict(f"{bucket}/killed", network)
    said = capsys.readouterr().out
    kept = written // 2 * 2
    assert (f"goes on after {kept} photos" in said) == (kept > 0)
    assert without_parts(f"{bucket}/killed") == without_parts(f"{bucket}/whole")
    predict(f"{bucket}/killed", again := WholePhotoNetwork())
    assert again.calls == []


def test_a_part_that_is_not_there_ends_what_is_taken_up(bucket, monkeypatch, capsys):
    predict_until(f"{bucket}/killed", monkeypatch, 6)
    parts = {"parts/000000000-000000002.tar", "parts/000000004-000000006.tar"}
    assert parts <= memory_bucket.files(f"{bucket}/killed").keys()
    memory_bucket.remove(f"{bucket}/killed/parts/000000002-000000004.tar")
    capsys.readouterr()
    predict(f"{bucket}/killed")
    assert "goes on after 2 photos" in capsys.readouterr().out


def test_another_run_or_other_files_are_refused(bucket):
    predict(f"{bucket}/found")
    with pytest.raises(UserError, match=f"^{bucket}/found holds a run with another output"):
        predict(f"{bucket}/found", outputs=())
    memory_bucket.write(f"{bucket}/other/notes.txt", b"")
    with pytest.raises(UserError, match="holds other files than those of a prediction run"):
        predict(f"{bucket}/other")


@pytest.mark.parametrize("name", ["../evil.csv", "run.json", "photos.csv"])
def test_a_part_that_is_none_is_refused(bucket, monkeypatch, name):
    predict_until(f"{bucket}/killed", monkeypatch, 3)
    part = io.BytesIO()
    with tarfile.open(fileobj=part, mode="w") as tar:
        header = tarfile.TarInfo(name)
        header.size = 4
        tar.addfile(header, io.BytesIO(b"x,1\n"))
    memory_bucket.write(f"{bucket}/killed/parts/000000000-000000002.tar", part.getvalue())
    with pytest.raises(UserError, match=f"^{bucket}/killed"):
        predict(f"{bucket}/killed")
    memory_bucket.write(f"{bucket}/killed/parts/000000000-000000002.tar", part.getvalue()[:300])
    with pytest.raises(UserError, match=r"^memory.*is damaged"):
        predict(f"{bucket}/killed")


def test_photos_below_the_output_are_passed_over(bucket, tmp_path):
    memory_bucket.fill(bucket, tmp_path / "shop")
    predict(f"{bucket}/found", sources=[bucket])
    before = without_parts(f"{bucket}/found")["photos.csv"]
    predict(f"{bucket}/found", sources=[bucket])
    assert without_parts(f"{bucket}/found")["photos.csv"] == before
