import hashlib

import pandas as pd
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageColor

from apparel.boxes import CORNERS
from apparel.evaluation import drawing

CLASSES = ["Dresses", "Tops"]


def table(*rows):
    """Rows of class, box, `matched`, and for detections a score."""
    return pd.DataFrame(
        [(row[0], *row[1], row[2], *row[3:]) for row in rows],
        columns=["class", *CORNERS, "matched", "score"][: 6 + len(rows[0][3:])] if rows else None,
    )


def colour(name):
    return ImageColor.getrgb(drawing.class_colours(CLASSES)[name])


def test_box_lies_where_it_is_on_the_scaled_photo():
    photo = Image.new("RGB", (960, 480), "white")
    panel = drawing.draw_boxes(photo, table(("Tops", (200, 100, 800, 400), True)), CLASSES)
    assert panel.size == (480, 240)
    for point in [(101, 150), (399, 150), (250, 51), (250, 199)]:
        assert panel.getpixel(point) == colour("Tops")
    assert panel.getpixel((250, 125)) == panel.getpixel((50, 230)) == (255, 255, 255)


def test_boxes_without_a_match_are_dashed():
    photo = Image.new("RGB", (480, 480), "black")

    def edge(matched):
        panel = drawing.draw_boxes(photo, table(("Tops", (100, 100, 400, 400), matched)), CLASSES)
        return {panel.getpixel((x, 399)) for x in range(120, 380)}

    assert edge(matched=True) == {colour("Tops")}
    assert edge(matched=False) == {colour("Tops"), (255, 255, 255)}


def test_ground_truth_is_left_and_detections_are_right():
    photo = Image.new("RGB", (480, 480), "white")
    truth, found = table(("Tops", (50, 50, 400, 400), True)), table(("Dresses", (50, 50, 400, 400), True, 0.9))
    picture = drawing.draw_side_by_side(photo, truth, found, CLASSES)
    left, right = drawing.MARGIN + 51, drawing.SIDE + 2 * drawing.MARGIN + 51
    assert picture.getpixel((left, drawing.TITLE + 200)) == colour("Tops")
    assert picture.getpixel((right, drawing.TITLE + 200)) == colour("Dresses")


def test_labels_avoid_each_other():
    draw = drawing.ImageDraw.Draw(Image.new("RGB", (480, 480)))
    taken = []
    for _ in range(6):
        taken.append(drawing._label(draw, (480, 480), (100, 100, 300, 300), "Tops 0.90", "#000000", taken))
    assert not any(drawing._overlap(one, other) for one in taken for other in taken if one is not other)


def test_colours_repeat_when_there_are_more_classes():
    many = drawing.class_colours([str(number) for number in range(9)])
    assert many["0"] == many["7"] and len(set(many.values())) == 7


@settings(max_examples=20)
@example(9, 9, (0.0, 0.0, 1.0, 1.0), "a\nb")
@given(
    st.integers(1, 900),
    st.integers(1, 900),
    st.tuples(*[st.floats(0, 1)] * 4),
    st.text(max_size=40),
)
def test_any_box_on_any_photo_gives_the_same_pixels_twice(width, height, corners, name):
    photo = Image.new("RGB", (width, height))
    (xmin, xmax), (ymin, ymax) = sorted(corners[:2]), sorted(corners[2:])
    box = (xmin * width, ymin * height, xmax * width, ymax * height)
    found = table((name, box, False, 0.5))
    first, second = (drawing.draw_side_by_side(photo, found, found, [name]) for _ in range(2))
    assert first.tobytes() == second.tobytes()


def test_saved_bytes_are_the_same_twice(tmp_path):
    picture = Image.effect_noise((64, 64), 50).convert("RGB")
    for name in ("one/a.jpg", "two/b.jpg"):
        drawing.save_jpeg(picture, tmp_path / name)
    digests = {hashlib.sha256(path.read_bytes()).hexdigest() for path in tmp_path.glob("*/*.jpg")}
    assert len(digests) == 1


def test_photo_without_boxes_stays_as_it_is():
    none = table(("Tops", (0, 0, 1, 1), True)).iloc[:0]
    panel = drawing.draw_boxes(Image.new("RGB", (100, 50), "white"), none, CLASSES)
    assert panel.getcolors() == [(480 * 240, (255, 255, 255))]


def test_names_whose_letters_the_font_lacks_are_shown_as_numbers():
    classes = ["Dresses", "裙子", "Čepice"]
    assert [drawing.class_label(name, classes) for name in classes] == ["Dresses", "class 2", "Čepice"]
    photo, box = Image.new("RGB", (200, 200)), (60, 60, 150, 150)
    drawn = drawing.draw_boxes(photo, table(("裙子", box, True)), classes)
    assert drawn.tobytes() == drawing.draw_boxes(photo, table(("class 2", box, True)), ["", "class 2"]).tobytes()
