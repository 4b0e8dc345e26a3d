import numpy as np
import pytest
from PIL import Image, ImageOps

from apparel.data import candidates, keypoints
from tests.apparel.data.test_duplicates import garment

FILE = keypoints.KeypointsFile()


def stored(photos):
    return [FILE.add(keypoints.detect(photo)) for photo in photos]


@pytest.fixture(scope="module")
def garments():
    return stored(garment(seed) for seed in range(60))


def all_pairs(photos):
    """The candidates by the matrix of all products."""
    found = [photo.read().descriptors for photo in photos]
    plain = candidates.summarise(found)
    mirrored = candidates.summarise([descriptors[:, keypoints.MIRRORED] for descriptors in found])
    pairs = set()
    for flag, others in ((False, plain), (True, mirrored)):
        for one, products in enumerate(plain @ others.T):
            least = max(candidates.MIN_SIMILARITY, np.sort(products)[-candidates.MAX_CANDIDATES - 1])
            pairs |= {(*sorted((one, int(other))), flag) for other in np.flatnonzero(products >= least) if other != one}
    return sorted(pairs)


@pytest.mark.parametrize(
    ("most", "least", "block"), [(2, 0.1, 13), (10, 0.1, 25), (50, 0.17, 13), (5, 0.17, 60), (20, 0.1, 100)]
)
def test_blocks_give_the_candidates_of_all_pairs(garments, monkeypatch, most, least, block):
    monkeypatch.setattr(candidates, "MAX_CANDIDATES", most)
    monkeypatch.setattr(candidates, "MIN_SIMILARITY", least)
    found = candidates.find_candidates(garments, block)
    assert [tuple(row) for row in found.tolist()] == all_pairs(garments)
    assert most == 50 or len(found) > 60


def test_pruning_does_not_lose_candidates(garments, monkeypatch):
    expected = candidates.find_candidates(garments)
    monkeypatch.setattr(candidates._Nearest, "add", pruning(candidates._Nearest.add))
    np.testing.assert_array_equal(candidates.find_candidates(garments, 13), expected)


def pruning(add):
    def add_and_prune(nearest, *arguments, **options):
        nearest._worth_pruning = 0
        add(nearest, *arguments, **options)
        assert len(nearest._found) <= 1

    return add_and_prune


def test_copies_are_candidates():
    photos = [garment(seed) for seed in range(6)] + [ImageOps.mirror(garment(2)), garment(4).rotate(90)]
    found = {tuple(row) for row in candidates.find_candidates(stored(photos)).tolist()}
    assert {(2, 6, True), (4, 7, False)} <= found


def test_photos_without_keypoints_and_none_at_all():
    plain = stored([Image.new("RGB", (100, 50), "white")])
    assert len(candidates.find_candidates(plain * 2)) == len(candidates.find_candidates([])) == 0
