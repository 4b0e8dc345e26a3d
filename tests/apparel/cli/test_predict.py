"""`apparel predict`: options become a run, and a dry run writes nothing."""

import argparse
from pathlib import Path

import pytest
from PIL import Image

from apparel import cli
from apparel.analysis import model_sources
from apparel.analysis.predictions import choose_network
from apparel.errors import UserError
from tests.support import memory_bucket
from tests.support.whole_photo_network import WholePhotoNetwork


@pytest.fixture
def predict(tmp_path, monkeypatch):
    """Calls the command on a folder `shop` with one photo."""
    monkeypatch.chdir(tmp_path)
    Path("shop").mkdir()
    Image.new("RGB", (20, 30), "red").save("shop/a.png")
    monkeypatch.setattr(model_sources, "resolve", Path)
    monkeypatch.setattr(choose_network, "choose", lambda path, runtime: ([WholePhotoNetwork()], path, ["a note"]))

    def call(*arguments):
        parser = argparse.ArgumentParser(prog="apparel predict")
        cli.configure(parser, "predict").main(parser.parse_args(["shop", *arguments]))

    return call


def test_the_command_names_the_model_and_writes_into_predictions(predict, capsys):
    predict("--threshold", "bright=0.8")
    said = capsys.readouterr().out
    assert said.splitlines()[:2] == ["a note", "model unknown, stand-in, by stand-in (workspace)"]
    detections = Path("predictions/shop/detections.csv").read_text(encoding="utf-8")
    assert detections.splitlines()[1:] == ["shop/a.png,bright,0.9,0,0,20,30,0.8"]


def test_a_dry_run_counts_photos_and_writes_nothing(predict, capsys):
    predict("--dry-run", "--out", "found")
    assert "1 photos; the output would be found" in capsys.readouterr().out
    assert sorted(map(str, Path().iterdir())) == ["shop"]


@pytest.mark.parametrize("arguments", [("gone",), ("--lowest-score", "2"), ("--threshold", "nan")])
def test_what_cannot_work_is_refused_before_anything_is_written(predict, arguments):
    with pytest.raises(UserError):
        predict(*arguments)
    assert not Path("predictions").exists()


def test_the_output_goes_to_a_bucket_and_no_folder_is_called_like_it(predict, capsys, monkeypatch):
    address = memory_bucket.make(monkeypatch)
    predict("--out", f"{address}/found", "--json")
    assert f"look through them: {address}/found/index.html" in capsys.readouterr().out
    written = memory_bucket.files(f"{address}/found")
    assert {"run.json", "photos.csv", "detections.csv", "detections.jsonl", "index.html"} <= written.keys()
    assert sorted(map(str, Path().iterdir())) == ["shop"]
    predict("--out", f"{address}/found", "--json", "--dry-run")
    assert f"the output would be {address}/found" in capsys.readouterr().out
