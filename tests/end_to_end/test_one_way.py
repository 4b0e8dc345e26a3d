"""The same photo gives the same boxes everywhere: the trained model, eval, the server and the file of TensorFlow Lite.

Bounds are of scores, and of corners as shares of the photo's longer side.
"""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from apparel import images, paths
from apparel.data import shards
from apparel.data.example_writer import Photo
from apparel.inference import networks, predictor, split_detections
from apparel.models.export import tflite
from tests.support import decided_detector, photo_files, tiny_detector
from tests.support.running_server import models_of, running

LOWEST = 0.3
"""Score from which detections are compared; the weakest of a hundred depend on float noise by their order."""

FLOAT = 2e-4
"""Bound where the same pixels go through the same weights in float32: rounding alone differs."""

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
}
"""How each photo is written, by name."""

EXPORTS = {"detector.tflite": (tflite.write, FLOAT)}
"""How each format is written, by its file, and the bound of its detections."""

UNLIKE_EVAL = ("plain.jpg",)
"""JPEGs that the TFRecords keep as they are, so that TensorFlow decodes them."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the model in `model` and the photos in `photos`."""
    folder = tmp_path_factory.mktemp("one-way")
    (folder / "photos").mkdir()
    trained = decided_detector.network()
    trained.detector.save(folder / "model", decided_detector.THRESHOLDS)
    for name, write in PHOTOS.items():
        write(folder / "photos" / name)
    return folder


@pytest.fixture(scope="module")
def expected(folder) -> dict[str, pd.DataFrame]:
    """Detections of the trained model, by photo."""
    network = networks.load(folder / "model")
    return {name: one_photo(network, folder / "photos" / name) for name in PHOTOS}


def one_photo(network, path) -> pd.DataFrame:
    """Detections of a network on a file."""
    return predictor.detect(network, [images.read(path)]).drop(columns="photo")


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
    return {name: images.read(folder / "photos" / name).size for name in PHOTOS}


def test_turned_photos_are_those_that_are_not_turned(folder, expected):
    assert set(sizes(folder).values()) == {(300, 400), (1512, 2016)}
    assert_same(expected["turned.jpg"], expected["plain.png"], (300, 400), JPEG)


def test_eval(folder, expected, monkeypatch):
    monkeypatch.chdir(folder)
    no_boxes = (np.zeros((0, 4)), np.zeros(0, int), np.zeros(0, bool))
    photos = [Photo(folder / "photos" / name, *size, *no_boxes) for name, size in sizes(folder).items()]
    splits = {"train": photos[:1], "val": photos[:1], "test": photos}
    index = shards.write_shards(splits, tiny_detector.CLASSES, 1, folder / paths.TFRECORD)
    detector = networks.load(folder / "model").detector
    detections = split_detections.detect_split(detector, index, "test").detections
    for name, size in sizes(folder).items():
        found = detections[detections.filename == name].drop(columns="filename")
        assert_same(found, expected[name], size, JPEG if name in UNLIKE_EVAL else FLOAT)


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


@pytest.mark.parametrize("file", EXPORTS)
def test_export(folder, expected, file):
    write, bound = EXPORTS[file]
    trained = networks.load(folder / "model")
    write(trained.detector, trained.metadata, folder / file)
    network = networks.load(folder / file)
    assert network.metadata == trained.metadata
    for name, size in sizes(folder).items():
        assert_same(one_photo(network, folder / "photos" / name), expected[name], size, bound)
