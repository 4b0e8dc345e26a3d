"""Predictions by Beam's workers: the bytes of a run without, killed and gone on with."""

import shutil
import tarfile
from pathlib import Path

import pytest
from PIL import Image

from apparel.analysis.predictions import choose_network, run, shard_run
from apparel.analysis.predictions.photo_sources import PhotoSources
from apparel.errors import UserError
from apparel.utils import beam
from tests.support import beam_in_process
from tests.support.whole_photo_network import WholePhotoNetwork

OUTPUTS = ["json", "pictures", "crops", "xml"]


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """Twenty photos, one of them broken, three a shard."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(beam, "ITEMS_A_SHARD", 3)
    monkeypatch.setattr(choose_network, "choose", lambda path, *_: ([WholePhotoNetwork()], path, []))
    shard_run._load.cache_clear()
    Path("shop").mkdir()
    for number in range(19):
        Image.new("RGB", (20 + number, 30), "red" if number % 2 else "black").save(f"shop/{number:02}.png")
    Path("shop/07b.png").write_bytes(b"no photo")
    yield Path("shop")
    shard_run._load.cache_clear()


def predict(folder: str, by_beam: bool = True) -> dict[str, bytes]:
    """What a run writes, XML beside the photos included; without the command line."""
    network, model = WholePhotoNetwork(), Path("model")
    worker_model = shard_run.WorkerModel(model, None) if by_beam else None
    asked = (PhotoSources(["shop"], Path(folder)), [network], model, Path(folder), OUTPUTS, 0.1, "")
    run.run(run.Prediction(*asked, worker_model=worker_model))
    written = [*Path(folder).rglob("*"), *Path("shop").glob("*.xml")]
    contents = {str(path).removeprefix(folder): path.read_bytes() for path in written if path.is_file()}
    for path in Path("shop").glob("*.xml"):
        path.unlink()
    return contents


def test_workers_give_the_bytes_of_a_run_without_them(shop, monkeypatch, capsys):
    without = predict("found", by_beam=False)
    said = capsys.readouterr().out
    beam_in_process.install(monkeypatch)
    assert predict("by-beam") == without
    assert capsys.readouterr().out == said.replace("found", "by-beam")
    assert "1 could not be read" in said and "shop/07b.png" in without["/problems.csv"].decode()
    assert {"/detections.jsonl", "shop/18.xml"} <= without.keys()
    assert not list(beam.FOLDER.glob("*/*"))


def test_a_killed_run_goes_on_to_the_same_bytes_with_workers_and_without(shop, monkeypatch):
    without = predict("found", by_beam=False)
    beam_in_process.install(monkeypatch, killed_after=2)
    with pytest.raises(KeyboardInterrupt):
        predict("by-beam")
    shutil.copytree("by-beam", "copy")
    beam_in_process.install(monkeypatch)
    assert predict("by-beam") == without
    assert predict("copy", by_beam=False) == without


def test_a_killed_run_whose_folder_was_deleted_begins_anew(shop, monkeypatch):
    without = predict("found", by_beam=False)
    beam_in_process.install(monkeypatch, killed_after=2)
    with pytest.raises(KeyboardInterrupt):
        predict("by-beam")
    shutil.rmtree("by-beam")
    beam_in_process.install(monkeypatch)
    assert predict("by-beam") == without


def test_a_killed_run_that_ends_without_beam_leaves_no_shards(shop, monkeypatch):
    beam_in_process.install(monkeypatch, killed_after=2)
    with pytest.raises(KeyboardInterrupt):
        predict("found")
    assert len(list(beam.FOLDER.glob("*/*.result"))) == 2
    monkeypatch.delenv(beam.VARIABLE)
    predict("found", by_beam=False)
    assert not list(beam.FOLDER.glob("*/*"))


def test_a_run_that_was_killed_while_its_tables_were_written_goes_on(shop, monkeypatch):
    without = predict("found", by_beam=False)
    beam_in_process.install(monkeypatch)
    write = shard_run.prediction_run.write
    left = iter(range(8))

    def killed(*arguments):
        if next(left, None) is None:
            raise KeyboardInterrupt
        write(*arguments)

    monkeypatch.setattr(shard_run.prediction_run, "write", killed)
    with pytest.raises(KeyboardInterrupt):
        predict("by-beam")
    monkeypatch.setattr(shard_run.prediction_run, "write", write)
    done, detect = [], shard_run.prediction_run.detect

    def noted(photos, *arguments, **options):
        done.append(len(photos))
        return detect(photos, *arguments, **options)

    monkeypatch.setattr(shard_run.prediction_run, "detect", noted)
    assert predict("by-beam") == without
    assert done == [1]  # the shard that was written in part; the whole ones are there


def test_photos_in_an_archive_and_a_worker_with_another_model_are_refused(shop, monkeypatch):
    beam_in_process.install(monkeypatch)
    with tarfile.open("shop/photos.tar", "w") as tar:
        tar.add("shop/01.png", "inside.png")
    with pytest.raises(UserError, match=r"lies in an archive, .*; unpack it, or leave --runner out"):
        predict("found")
    Path("shop/photos.tar").unlink()
    shutil.rmtree("found")
    other = WholePhotoNetwork()
    other.runtime = "another"
    monkeypatch.setattr(choose_network, "choose", lambda path, *_: ([other], path, []))
    shard_run._load.cache_clear()
    with pytest.raises(UserError, match="a worker has model unknown by another, not unknown by stand-in"):
        predict("found")
