"""The same photo gives the same boxes everywhere: the trained model, eval, predict, the server and every export.

Bounds are of scores, and of corners as shares of the photo's longer side.
"""

import subprocess
import sys
from pathlib import PurePath

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from apparel import images, paths
from apparel.data import shards
from apparel.data.example_writer import Photo
from apparel.inference import networks, predictor, split_detections
from apparel.models.export import onnx, saved_model, tflite
from tests.support import decided_detector, photo_files, tiny_detector
from tests.support.repository import ROOT
from tests.support.running_server import models_of, running

pytestmark = pytest.mark.slow

LOWEST = 0.35
"""Score from which detections are compared: above that of the hundredth on each photo, the last that the API gives."""

FLOAT = 2e-4
"""Bound where the same pixels go through the same weights in float32: rounding alone differs."""

ROUNDED = 0.01
"""Bound where the resized photo is rounded to whole levels, as the input of a SavedModel asks for."""

JPEG = 0.05
"""Bound where a JPEG stands against a PNG, or TensorFlow's decoder against Pillow's: some levels of 255 differ."""


def scene(width: int, height: int) -> Image.Image:
    """A photo with areas of many colours that pass into each other, the same at any size."""
    areas = np.random.default_rng(3).integers(0, 256, (12, 9, 3), dtype=np.uint8)
    return Image.fromarray(areas).resize((width, height), Image.Resampling.BICUBIC)


def save_turned(path, size: tuple[int, int], **options) -> None:
    """As a phone held upright stores it: turned, with EXIF's orientation 6."""
    exif = Image.Exif()
    exif[0x0112] = 6
    scene(*size).transpose(photo_files.AS_STORED[6]).save(path, exif=exif, **options)


PHOTOS = {
    "plain.png": lambda path: scene(300, 400).save(path),
    "plain.jpg": lambda path: scene(300, 400).save(path, quality=95),
    "turned.jpg": lambda path: save_turned(path, (300, 400), quality=95, subsampling=0),
    "turned large.jpg": lambda path: save_turned(path, (1512, 2016), quality=90),
    "turned.heic": lambda path: save_turned(path, (300, 400), format="HEIF", quality=95),
}
"""How each photo is written, by name."""

EXPORTS = {
    "TensorFlow Lite": ("detector.tflite", tflite.write, FLOAT),
    "SavedModel": ("saved_model", saved_model.write, ROUNDED),
    "ONNX Runtime": ("detector.onnx", onnx.write, FLOAT),
    "OpenVINO": ("detector.onnx", onnx.write, FLOAT),
}
"""File of each runtime, how it is written, and the bound of its detections."""

UNLIKE_EVAL = ("plain.jpg",)
"""JPEGs that the TFRecords keep as they are, so that TensorFlow decodes them."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the model in `model` and the photos in `photos`."""
    folder = tmp_path_factory.mktemp("one-way")
    (folder / "photos").mkdir()
    images._register_heif()
    trained = decided_detector.network()
    trained.detector.save(folder / "model", decided_detector.THRESHOLDS)
    for name, write in PHOTOS.items():
        write(folder / "photos" / name)
    return folder


@pytest.fixture(scope="module")
def expected(folder) -> dict[str, pd.DataFrame]:
    """Detections of the trained model, by photo."""
    network = networks.load(folder / "model")
    assert network.metadata.thresholds == decided_detector.THRESHOLDS
    return {name: one_photo(network, folder / "photos" / name) for name in PHOTOS}


def one_photo(network, path) -> pd.DataFrame:
    """Detections of a network on a file."""
    return predictor.detect(network, [read(path)]).drop(columns="photo")


def read(path) -> Image.Image:
    """A photo, HEIC included."""
    return images.decode(path.read_bytes(), path, images.PHONE_FORMATS)


def assert_same(found: pd.DataFrame, expected: pd.DataFrame, size: tuple[int, int], bound: float) -> None:
    """Every detection of one table is in the other, too, but those whose score is at the lowest within the bound."""
    for one, other in ((found, expected), (expected, found)):
        sure = one[one.score >= LOWEST + bound]
        assert len(sure) > 3
        for row in sure.itertuples():
            alike = other[other["class"] == row[1]]
            corners = alike[["xmin", "ymin", "xmax", "ymax"]] - [row.xmin, row.ymin, row.xmax, row.ymax]
            off = np.maximum(corners.abs().max(axis=1) / max(size), (alike.score - row.score).abs())
            assert off.min() <= bound, (row, off.min())


def sizes(folder) -> dict[str, tuple[int, int]]:
    return {name: read(folder / "photos" / name).size for name in PHOTOS}


def test_turned_photos_are_those_that_are_not_turned(folder, expected):
    assert set(sizes(folder).values()) == {(300, 400), (1512, 2016)}
    assert_same(expected["turned.jpg"], expected["plain.png"], (300, 400), JPEG)
    assert_same(expected["turned.heic"], expected["plain.png"], (300, 400), JPEG)


def test_eval(folder, expected, monkeypatch):
    monkeypatch.chdir(folder)
    no_boxes = (np.zeros((0, 4)), np.zeros(0, int), np.zeros(0, bool))
    trainable = {name: size for name, size in sizes(folder).items() if not name.endswith(".heic")}
    photos = [Photo(folder / "photos" / name, *size, *no_boxes) for name, size in trainable.items()]
    splits = {"train": photos[:1], "val": photos[:1], "test": photos}
    index = shards.write_shards(splits, tiny_detector.CLASSES, 1, folder / paths.TFRECORD)
    detector = networks.load(folder / "model").detector
    detections = split_detections.detect_split(detector, index, "test").detections
    for name, size in trainable.items():
        found = detections[detections.filename == name].drop(columns="filename")
        assert_same(found, expected[name], size, JPEG if name in UNLIKE_EVAL else FLOAT)


def test_predict(folder, expected):
    command = [sys.executable, "-m", "apparel", "predict", str(folder / "photos"), "--model", str(folder / "model")]
    options = ["--out", str(folder / "predicted"), "--lowest-score", str(LOWEST)]
    subprocess.run([*command, *options], cwd=ROOT, check=True, capture_output=True)
    table = pd.read_csv(folder / "predicted" / "detections.csv")
    for name, size in sizes(folder).items():
        found = table[table["file"].map(lambda file: PurePath(file).name) == name]
        assert_same(found.drop(columns=["file", "threshold"]), expected[name], size, FLOAT)


def test_server(folder, expected):
    with running(models_of(networks.load(folder / "model"))) as server:
        files = [(name, (folder / "photos" / name).read_bytes()) for name in PHOTOS]
        answers = server.detect(*files, query=f"?lowest_score={LOWEST}").json["photos"]
    for answer, (name, size) in zip(answers, sizes(folder).items(), strict=True):
        assert (answer["name"], answer["width"], answer["height"], answer["problem"]) == (name, *size, None)
        found = pd.DataFrame(
            [{"class": each["class"], "score": each["score"], **each["box"]} for each in answer["detections"]]
        )
        assert_same(found, expected[name], size, FLOAT)


@pytest.mark.parametrize("runtime", EXPORTS)
def test_export(folder, expected, runtime):
    file, write, bound = EXPORTS[runtime]
    trained = networks.load(folder / "model")
    if not (folder / file).exists():
        write(trained.detector, trained.metadata, folder / file)
    network = networks.load(folder / file, runtime)
    assert network.runtime == runtime
    assert network.metadata == trained.metadata
    for name, size in sizes(folder).items():
        assert_same(one_photo(network, folder / "photos" / name), expected[name], size, bound)
