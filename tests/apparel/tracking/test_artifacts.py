"""Files in an artifact store, confirmed by its listing."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from apparel.tracking.artifacts import Artifacts
from apparel.tracking.receipt import Unconfirmed

CLIENT = SimpleNamespace(tracking_uri="sqlite:///mlflow.db")


@pytest.fixture
def artifacts(tmp_path):
    return Artifacts(CLIENT, str(tmp_path / "store"))


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "1.png"
    path.write_text("picture")
    return path


def test_a_folder_arrives_and_comes_back(artifacts, tmp_path, picture):
    (tmp_path / "model" / "weights").mkdir(parents=True)
    (tmp_path / "model" / "MLmodel").write_text("model")
    picture.rename(tmp_path / "model" / "weights" / "1.bin")
    artifacts.upload_folder(tmp_path / "model")
    assert artifacts.sizes(None) == {"MLmodel": 5}
    artifacts.fetch("weights/1.bin", tmp_path / "back" / "1.bin")
    assert (tmp_path / "back" / "1.bin").read_text() == "picture"


@pytest.mark.parametrize("old", [None, "drawing", "draw"], ids=["none", "one of the same size", "a smaller one"])
def test_an_upload_that_does_nothing_is_noticed_whatever_was_there(artifacts, picture, monkeypatch, old):
    if old:
        picture.write_text(old)
        artifacts.upload(picture, "pictures")
        picture.write_text("picture")
    monkeypatch.setattr(artifacts._store, "log_artifact", lambda *_: None)
    with pytest.raises(Unconfirmed, match=r"pictures/1\.png"):
        artifacts.upload(picture, "pictures")


def test_a_folder_whose_first_file_has_its_name_arrives(artifacts, tmp_path, monkeypatch):
    listing = artifacts._store.list_artifacts

    def list_as_over_http(folder=None):
        files = listing(folder)
        named_alike = folder and [file.path for file in files] == [f"{folder}/{folder.rpartition('/')[2]}"]
        return [] if named_alike else files

    monkeypatch.setattr(artifacts._store, "list_artifacts", list_as_over_http)
    for name in ("checkpoint/checkpoint", "checkpoint/ckpt-0.index", "last/last"):
        path = tmp_path / "model" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    artifacts.upload_folder(tmp_path / "model")
    assert artifacts.sizes("checkpoint", fresh=True) == {"checkpoint/checkpoint": 21, "checkpoint/ckpt-0.index": 23}
    assert (tmp_path / "store" / "last" / "last").read_text() == "last/last"


def test_a_file_is_replaced_by_one_of_the_same_size(artifacts, picture, tmp_path):
    artifacts.upload(picture, None)
    picture.write_text("drawing")
    artifacts.upload(picture, None)
    assert Path(tmp_path, "store", "1.png").read_text() == "drawing"


def test_a_missing_file_is_not_fetched(artifacts, tmp_path):
    with pytest.raises(Unconfirmed, match="does not have file x"):
        artifacts.fetch("x.txt", tmp_path / "x.txt")
    assert not (tmp_path / "x.txt").exists()
