"""A prediction run from photos to its page: what it writes, what it says, how it ends."""

from pathlib import Path

import pytest
from PIL import Image

from apparel.analysis.predictions import run
from apparel.analysis.predictions.photo_sources import PhotoSources
from apparel.errors import UserError
from tests.support.whole_photo_network import WholePhotoNetwork


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("shop").mkdir()
    for name in ("a.png", "b.png"):
        Image.new("RGB", (20, 30), "red").save(Path("shop", name))
    Path("shop", "c.jpg").write_bytes(b"no photo")
    Path("shop", "notes.txt").touch()
    return tmp_path


def predict(outputs=(), network=None):
    out = Path("found")
    network = network or WholePhotoNetwork()
    photos = PhotoSources(["shop"], out)
    run.run(run.Prediction(photos, [network], Path("model"), out, outputs, None, "apparel predict shop"))
    return out


def test_a_run_writes_tables_outputs_and_the_page_and_goes_on(folder, capsys):
    out = predict(["json", "pictures", "crops"])
    written = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    names = {path.relative_to(out).parts[0] for path in written}
    assert names >= {"run.json", "photos.csv", "detections.csv", "problems.csv", "index.html"}
    assert names >= {"detections.jsonl", "pictures", "crops"}
    said = capsys.readouterr().out
    assert "2 detections on 2 photos; 1 could not be read, see found/problems.csv" in said
    assert "left out, neither photos nor archives: 1 file, such as shop/notes.txt" in said
    network = WholePhotoNetwork()
    predict(["json", "pictures", "crops"], network)
    assert "goes on after 3 photos" in capsys.readouterr().out
    assert network.calls == []
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == written


def test_no_photo_at_all_is_an_error(folder):
    for name in ("a.png", "b.png"):
        Path("shop", name).write_bytes(b"broken")
    with pytest.raises(UserError, match=r"could be read: shop/a\.png: is not .*; 2 more in found/problems\.csv"):
        predict()
