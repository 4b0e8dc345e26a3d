import numpy as np
import pytest
from PIL import Image, ImageOps

from apparel.data import keypoints
from tests.apparel.data.test_duplicates import garment


@pytest.mark.parametrize("size", [(320, 320), (479, 640), (640, 200), (40, 30), (3, 900)])
def test_both_reduced_photos_have_the_same_proportions(size):
    found = keypoints.detect(garment(0).resize(size))
    height, width = found.picture.shape[:2]
    assert max(height, width) == keypoints.PICTURE_SIDE
    assert len(found.points) == len(found.descriptors) <= keypoints.MAX_KEYPOINTS + 1
    assert (found.points <= np.array([width, height]) * keypoints.SIDE / keypoints.PICTURE_SIDE).all()


def test_mirrored_keypoints_are_those_of_the_mirror_image():
    photo = garment(3)
    expected, found = keypoints.detect(ImageOps.mirror(photo)), keypoints.detect(photo).mirrored()
    assert np.abs(expected.picture.astype(int) - found.picture).max() <= 1
    nearest = [np.abs(found.points - point).sum(axis=1).argmin() for point in expected.points]
    near = np.abs(found.points[nearest] - expected.points).max(axis=1) < 1
    assert near.mean() > 0.8
    likeness = keypoints.root_sift(expected.descriptors) * keypoints.root_sift(found.descriptors)[nearest]
    assert np.median(likeness.sum(axis=1)[near]) > 0.95


def test_copies_are_candidates_in_blocks_of_any_size():
    photos = [garment(seed) for seed in range(6)] + [ImageOps.mirror(garment(2)), garment(4).rotate(90)]
    found = [keypoints.detect(photo) for photo in photos]
    candidates = keypoints.find_candidates(found)
    assert {(2, 6, True), (4, 7, False)} <= set(candidates)
    assert all(one < other for one, other, _ in candidates) and candidates == sorted(set(candidates))
    for rows in (1, 3, 100):
        assert keypoints.find_candidates(found, rows) == candidates


def test_each_photo_has_so_many_candidates_at_most(monkeypatch):
    monkeypatch.setattr(keypoints, "MAX_CANDIDATES", 2)
    found = [keypoints.detect(garment(1))] * 8
    plain = [pair for pair in keypoints.find_candidates(found[:2]) if not pair.mirrored]
    assert plain == [(0, 1, False)]
    different = [keypoints.detect(garment(seed)) for seed in range(12)]
    monkeypatch.setattr(keypoints, "MIN_SIMILARITY", -1.0)
    assert len(keypoints.find_candidates(different)) <= 12 * (2 + 3)


def test_photos_without_keypoints_and_none_at_all():
    plain = keypoints.detect(Image.new("RGB", (100, 50), "white"))
    assert plain.points.shape == (0, 2) and plain.descriptors.shape == (0, 128)
    assert keypoints.find_candidates([plain, plain]) == [] and keypoints.find_candidates([]) == []
