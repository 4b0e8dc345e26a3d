import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from apparel.data import alignment
from apparel.data.keypoints import detect
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
