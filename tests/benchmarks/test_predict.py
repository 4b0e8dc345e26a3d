"""The benchmark of `apparel predict` compares the command with its network alone."""

from pathlib import Path

import pytest
from PIL import Image

from apparel import paths
from apparel.analysis.predictions import choose_network
from apparel.errors import UserError
from benchmarks import predict
from tests.support.whole_photo_network import WholePhotoNetwork


def test_each_runtime_that_is_there_has_its_rows(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("photos").mkdir()
    for number in range(5):
        Image.new("RGB", (20, 30)).save(f"photos/{number}.png")
    networks = [WholePhotoNetwork(), WholePhotoNetwork()]
    monkeypatch.setattr(choose_network, "choose", lambda path, runtime: (networks, path, []))
    paths.EXPORTS["onnx"].parent.mkdir(parents=True)
    paths.EXPORTS["onnx"].touch()
    rows = predict.measure(Path("photos"), 4, 1)
    assert [row.what for row in rows] == ["predict, stand-in"] * 12  # TensorFlow, ONNX Runtime and OpenVINO
    assert [row.beside for row in rows] == ["predict without thumbnails", "network alone"] * 6
    assert {row.amount for row in rows} == {4}
    assert sum(shape[0] for network in networks for shape in network.calls) == 3 * 4 * 3 * 2


def test_without_photos_there_is_nothing_to_measure(tmp_path):
    with pytest.raises(UserError, match="has no photos"):
        predict.measure(tmp_path, 4, 1)
