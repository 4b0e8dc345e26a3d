"""Pictures with boxes."""

from PIL import Image

from apparel.analysis.predictions.output_names import picture_path
from apparel.analysis.predictions.pictures import LONGEST_SIDE, Pictures
from apparel.evaluation import drawing
from tests.support.detection_tables import detections, photo


def test_boxes_at_or_above_the_threshold_are_drawn_in_the_colour_of_their_class(tmp_path):
    found = detections(("b", 0.5, (100, 100, 300, 300)), ("a", 0.4, (320, 320, 390, 390)))
    for _ in range(2):
        Pictures(tmp_path, ["a", "b"]).write("x/a.png", photo(600, 600), found)
    picture = Image.open(tmp_path / picture_path("x/a.png", ".jpg"))
    assert picture.size == (600, 600)
    expected = tuple(bytes.fromhex(drawing.COLOURS[1][1:]))
    assert max(abs(one - other) for one, other in zip(picture.getpixel((200, 101)), expected, strict=True)) < 40
    assert min(picture.getpixel((350, 321))) > 240


def test_large_photos_are_shrunk_and_small_ones_enlarged(tmp_path):
    for name, size, expected in (
        ("l", (4000, 3000), (LONGEST_SIDE, 1200)),
        ("s", (10, 20), (drawing.SIDE // 2, drawing.SIDE)),
    ):
        Pictures(tmp_path, ["a"]).write(name, photo(*size), detections())
        assert Image.open(tmp_path / picture_path(name, ".jpg")).size == expected
