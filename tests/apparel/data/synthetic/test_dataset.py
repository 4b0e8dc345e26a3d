from collections import Counter
from random import Random

import numpy as np
import pytest
from PIL import Image

from apparel import boxes
from apparel.annotations import convert
from apparel.data.synthetic import dataset, garments


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("demo")
    dataset.draw_set(path, photos=40, empty=3, side=160, seed=0)
    return path


def test_convert_finds_what_was_drawn(folder, tmp_path):
    converted = convert.convert(folder / "photos", folder / "annotations", list(garments.MAKERS))
    boxes.write(converted.labels, tmp_path / "labels.csv")
    assert (tmp_path / "labels.csv").read_bytes() == (folder / "lists" / "labels.csv").read_bytes()
    assert converted.report["repaired"] == converted.report["dropped"] == converted.report["noted"] == {}
    assert converted.report["photos"] == 40
    assert converted.report["photos_without_boxes"] == 3
    assert (folder / "lists" / "photos.txt").read_text().splitlines() == converted.photos["filename"].tolist()


def test_the_same_seed_draws_the_same_bytes(folder, tmp_path):
    dataset.draw_set(tmp_path, photos=40, empty=3, side=160, seed=0)
    files = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    assert len(files) == 82
    assert [path for path in files if (folder / path).read_bytes() != (tmp_path / path).read_bytes()] == []


def test_another_seed_draws_others(folder, tmp_path):
    dataset.draw_set(tmp_path, photos=2, empty=0, side=160, seed=1)
    assert (tmp_path / "photos" / "drawn-0001.jpg").read_bytes() != (folder / "photos" / "drawn-0001.jpg").read_bytes()


def test_photos_are_rgb_of_the_size_asked_for(folder):
    for path in (folder / "photos").iterdir():
        with Image.open(path) as photo:
            assert (photo.format, photo.mode, photo.size) == ("JPEG", "RGB", (160, 160))


@pytest.mark.parametrize("label", garments.MAKERS)
def test_a_box_lies_tight_around_its_garment(label):
    for seed in range(5):
        picture = Image.new("RGB", (200, 200), "white")
        found = []
        dataset.place_garment(Random(f"{label} {seed}"), picture, label, 120, (255, 255, 255), found)
        xmin, ymin, xmax, ymax = found[0].corners
        assert max(xmax - xmin, ymax - ymin) == pytest.approx(120, abs=2)
        # a garment is far darker than its shadow on white
        garment = np.argwhere(np.asarray(picture).min(axis=2) < 150)[:, ::-1]
        assert np.abs(garment.min(axis=0) - (xmin, ymin)).max() <= 3
        assert np.abs(garment.max(axis=0) + 1 - (xmax, ymax)).max() <= 3


def test_one_to_three_garments_hardly_overlap_and_are_not_small():
    counts = Counter()
    for seed in range(60):
        _, found = dataset.draw_photo(Random(f"photo {seed}"), 160)
        corners = np.array([box.corners for box in found], dtype=float)
        counts[len(found)] += 1
        assert (corners >= 0).all()
        assert (corners <= 160).all()
        assert (corners[:, 2:] - corners[:, :2]).max(axis=1).min() >= 0.25 * 160
        assert (boxes.iou(corners, corners) - np.eye(len(corners))).max() < 0.2
    assert set(counts) == {1, 2, 3}


def test_every_class_is_drawn_and_some_more_often():
    assert set(dataset.SHARES) == set(garments.MAKERS)
    assert dataset.SHARES["Dresses"] >= 2 * dataset.SHARES["Skirts"]
