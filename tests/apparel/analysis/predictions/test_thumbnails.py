"""Thumbnails of a prediction run."""

import pytest
from PIL import Image

from apparel.analysis.predictions.output_names import thumbnail_path
from apparel.analysis.predictions.thumbnails import SIDE, Thumbnails
from tests.support.detection_tables import detections, photo


@pytest.mark.parametrize(
    ("size", "small"),
    [((60, 40), (60, 40)), ((640, 480), (320, 240)), ((4000, 3000), (400, 300)), ((5000, 1), (417, 1))],
)
def test_a_thumbnail_has_the_shape_of_its_photo(tmp_path, size, small):
    Thumbnails(tmp_path).write("a.jpg", photo(*size, "red"), detections())
    with Image.open(tmp_path / thumbnail_path("a.jpg")) as thumbnail:
        assert thumbnail.size == small
        assert thumbnail.getpixel((0, 0))[0] > 240
        assert max(thumbnail.size) <= 1.5 * SIDE
