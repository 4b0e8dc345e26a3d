import base64
import io

from PIL import Image

from apparel.evaluation import gallery
from tests.support import small_eval
from tests.support.small_eval import CLASSES, NAMES


def test_tags_are_what_a_photo_has():
    results = small_eval.split("test", dict.fromkeys(CLASSES, 0.5))
    assert gallery.photo_tags(results) == {
        NAMES[0]: ["boxes", "boxes-1", "found", "found-1", "pair-1-1"],
        NAMES[1]: ["boxes", "boxes-1", "missed", "missed-1", "pair-1-0", "wrong", "wrong-0"],
        NAMES[2]: ["boxes", "boxes-1", "missed", "missed-1", "pair-1-2"],
        NAMES[3]: ["pair-2-1", "wrong", "wrong-1"],
    }


def test_each_number_of_the_table_is_the_number_of_boxes_on_its_photos():
    results = small_eval.split("test", dict.fromkeys(CLASSES, 0.5))
    tags = gallery.photo_tags(results)
    for index, name in enumerate(CLASSES):
        row = results.per_class.loc[name]
        for tag, column in (("found", "true_positives"), ("wrong", "false_positives"), ("missed", "missed")):
            assert sum(f"{tag}-{index}" in found for found in tags.values()) == row[column]
        assert sum(f"boxes-{index}" in found for found in tags.values()) == row["photos"]


def test_photos_are_small_and_their_boxes_are_scaled_with_them():
    results = small_eval.split("test", dict.fromkeys(CLASSES, 0.5))
    names = gallery.select_photos(results)
    assert sorted(names) == sorted(NAMES) and names[-1] == NAMES[0]
    buffer = io.BytesIO()
    Image.new("RGB", (640, 320)).save(buffer, "PNG")
    photos = gallery.make_gallery(results, dict.fromkeys(NAMES, buffer.getvalue()).items(), names)
    assert [photo.name for photo in photos] == names
    image = Image.open(io.BytesIO(base64.b64decode(photos[0].source.partition(",")[2])))
    assert image.size == (photos[0].width, photos[0].height) == (320, 160)
    right = photos[-1].marks[0]
    row = results.matched[results.matched["filename"] == NAMES[0]].iloc[0]
    assert (right.left, right.width) == (row["xmin"] / 2, (row["xmax"] - row["xmin"]) / 2)
    assert (right.label, right.state, photos[-1].alt) == ("Tops <b>& 0.90", "right", "Tops <b>& 0.90 right")


def test_a_large_split_shows_the_photos_with_the_lowest_f1(monkeypatch):
    monkeypatch.setattr(gallery, "LIMIT", 2)
    results = small_eval.split("test", dict.fromkeys(CLASSES, 0.5))
    names = gallery.select_photos(results)
    assert len(names) == 2 and NAMES[0] not in names
    assert [photo.name for photo in gallery.make_gallery(results, small_eval.encoded().items(), names)] == names
