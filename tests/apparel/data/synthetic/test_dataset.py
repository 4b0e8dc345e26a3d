from collections import Counter
from random import Random

import numpy as np
import pytest
from PIL import Image

from apparel import boxes
from apparel.annotations.convert import convert_data_set
from apparel.data.synthetic import dataset, garments


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("demo")
    dataset.draw_data_set(path, photos=40, empty=3, side=160, seed=0)
    return path


def test_convert_reads_the_drawn_boxes(folder, tmp_path):
    converted = convert_data_set(folder / "photos", folder / "annotations", list(garments.GARMENT_MAKERS))
    boxes.write_labels(converted.labels, tmp_path / "labels.csv")
    assert (tmp_path / "labels.csv").read_bytes() == (folder / "lists" / "labels.csv").read_bytes()
    assert converted.report["repaired"] == converted.report["dropped"] == converted.report["noted"] == {}
    assert converted.report["photos"] == 40
    assert converted.report["photos_without_boxes"] == 3
    assert (folder / "lists" / "photos.txt").read_text().splitlines() == converted.photos["filename"].tolist()


def test_the_same_seed_draws_the_same_bytes(folder, tmp_path):
    dataset.draw_data_set(tmp_path, photos=40, empty=3, side=160, seed=0)
    files = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    assert len(files) == 82
    assert [path for path in files if (folder / path).read_bytes() != (tmp_path / path).read_bytes()] == []


def test_another_seed_draws_other_photos(folder, tmp_path):
    dataset.draw_data_set(tmp_path, photos=2, empty=0, side=160, seed=1)
    assert (tmp_path / "photos" / "drawn-0001.jpg").read_bytes() != (folder / "photos" / "drawn-0001.jpg").read_bytes()


def test_photos_are_rgb_of_the_size_asked_for(folder):
    for path in (folder / "photos").iterdir():
        with Image.open(path) as image:
            assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (160, 160))


@pytest.mark.parametrize("label", garments.GARMENT_MAKERS)
def test_a_box_is_tight(label):
    for seed in range(5):
        image = Image.new("RGB", (200, 200), "white")
        drawn_boxes = []
        dataset.draw_garment(Random(f"{label} {seed}"), image, label, 120, (255, 255, 255), drawn_boxes)
        xmin, ymin, xmax, ymax = drawn_boxes[0].corners
        assert max(xmax - xmin, ymax - ymin) == pytest.approx(120, abs=2)
        # a garment is far darker than its shadow on white
        garment = np.argwhere(np.asarray(image).min(axis=2) < 150)[:, ::-1]
        assert np.abs(garment.min(axis=0) - (xmin, ymin)).max() <= 3
        assert np.abs(garment.max(axis=0) + 1 - (xmax, ymax)).max() <= 3


def test_one_to_three_garments_hardly_overlap_and_are_not_small():
    counts = Counter()
    for seed in range(60):
        _, drawn_boxes = dataset.draw_photo(Random(f"photo {seed}"), 160)
        corners = np.array([box.corners for box in drawn_boxes], dtype=float)
        counts[len(drawn_boxes)] += 1
        assert (corners >= 0).all()
        assert (corners <= 160).all()
        assert (corners[:, 2:] - corners[:, :2]).max(axis=1).min() >= 0.25 * 160
        assert (boxes.iou(corners, corners) - np.eye(len(corners))).max() < 0.2
    assert set(counts) == {1, 2, 3}


def test_every_class_is_drawn_and_some_more_often():
    assert set(dataset.CLASS_WEIGHTS) == set(garments.GARMENT_MAKERS)
    assert dataset.CLASS_WEIGHTS["Dresses"] >= 2 * dataset.CLASS_WEIGHTS["Skirts"]
