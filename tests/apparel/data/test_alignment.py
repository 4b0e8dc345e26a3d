import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from apparel.data import alignment
from apparel.data.alignment import MAX_DESCRIPTOR_DISTANCE
from apparel.data.keypoints import detect, root_sift
from tests.apparel.data.test_duplicates import garment


@pytest.mark.parametrize("degrees", [0, 6, 90, 180, -90, -33])
def test_the_angle_and_the_shares_that_both_show(degrees):
    photo = garment(1)
    aligned = alignment.align(
        detect(photo), detect(photo.rotate(degrees, Image.Resampling.BILINEAR, fillcolor="white"))
    )
    # Pillow turns against the clock, y points down: the way back has the same sign.
    assert np.cos(np.radians(abs(aligned.degrees) - abs(degrees))) > 0.999
    assert min(aligned.covered) > 0.6


def test_a_crop_shows_less_of_its_source_than_the_source_of_it():
    photo = garment(1)
    aligned = alignment.align(detect(photo), detect(photo.crop((32, 32, 288, 288))))
    assert aligned.covered[0] == pytest.approx(0.64, abs=0.06) and aligned.covered[1] > 0.9
    assert np.linalg.det(aligned.matrix[:, :2]) == pytest.approx(0.64, abs=0.02)
    assert alignment.align(detect(photo), detect(photo.crop((90, 90, 240, 240)))) is None


@pytest.mark.parametrize(
    "change",
    [
        lambda photo: ImageEnhance.Brightness(photo).enhance(0.7),
        lambda photo: ImageEnhance.Contrast(photo).enhance(0.7),
        lambda photo: photo.convert("L").convert("RGB"),
        lambda photo: photo.resize((400, 300)),
    ],
)
def test_light_colour_and_stretch_do_not_matter(change):
    photo = garment(1)
    assert alignment.align(detect(photo), detect(change(ImageOps.mirror(photo))).mirrored()) is not None


def test_another_garment_before_the_same_wall_is_no_copy():
    wall = Image.effect_noise((80, 80), 60).resize((320, 320)).convert("RGB")
    photos = []
    for box, colour in (((90, 60, 230, 280), "red"), ((60, 100, 260, 240), "navy")):
        photos.append(wall.copy())
        ImageDraw.Draw(photos[-1]).rectangle(box, fill=colour)
    assert alignment.align(detect(photos[0]), detect(photos[0].rotate(180))) is not None
    assert alignment.align(detect(photos[0]), detect(photos[1])) is None
    assert alignment.align(detect(photos[0]), detect(garment(2))) is None


def test_the_same_design_in_another_colour_is_no_copy():
    photo = garment(1)
    recoloured = Image.merge("RGB", [photo.split()[channel] for channel in (2, 0, 1)])
    assert alignment.align(detect(photo), detect(recoloured.rotate(90))) is None


def test_nearest_both_ways_are_the_cross_checked_matches_of_opencv() -> None:
    random = np.random.default_rng(0)
    first = random.integers(0, 255, (60, 128)).astype(np.uint8)
    copies = np.clip(first[:40].astype(int) + random.integers(-60, 60, (40, 128)), 0, 255).astype(np.uint8)
    second = np.concatenate([random.integers(0, 255, (30, 128)).astype(np.uint8), copies])
    one, other = root_sift(first), root_sift(second)
    matches = cv2.BFMatcher(cv2.NORM_L2, crossCheck=True).match(one, other)
    near = [(match.queryIdx, match.trainIdx) for match in matches if match.distance <= MAX_DESCRIPTOR_DISTANCE]
    assert len(near) > 40
    rows, columns = alignment._nearest_both_ways(one, other)
    assert list(zip(rows.tolist(), columns.tolist(), strict=True)) == sorted(near)
