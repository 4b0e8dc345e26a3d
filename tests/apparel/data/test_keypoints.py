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


def test_keypoints_come_back_from_a_file():
    file = keypoints.KeypointsFile()
    photos = [garment(1), garment(2, (320, 100)), Image.new("RGB", (100, 50), "white")]
    found = [keypoints.detect(photo) for photo in photos]
    stored = [file.add(photo) for photo in found]
    for expected, photo in zip(found[::-1], stored[::-1], strict=True):
        for before, after in zip(expected, photo.read(), strict=True):
            assert before.dtype == after.dtype
            np.testing.assert_array_equal(before, after)


def test_a_photo_without_keypoints():
    plain = keypoints.detect(Image.new("RGB", (100, 50), "white"))
    assert plain.points.shape == (0, 2) and plain.descriptors.shape == (0, 128)
