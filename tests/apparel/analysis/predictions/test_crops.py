"""Crops: the right pixels, in files whose names lead back."""

from PIL import Image

from apparel.analysis.predictions.crops import Crops
from apparel.analysis.predictions.output_names import name_hash
from apparel.utils import files
from tests.support.detection_tables import HOSTILE_NAMES, detections, photo


def test_a_crop_shows_what_its_box_holds_and_names_photo_class_and_number(tmp_path):
    picture = photo(100, 80)
    picture.paste("red", (10, 20, 50, 60))
    found = detections(("Tops", 0.9, (60, 0, 100, 10)), ("Dresses", 0.8, (10, 20, 50, 60)), ("Tops", 0.2, (0, 0, 9, 9)))
    Crops(tmp_path).write("shop/a.jpg", picture, found)
    digits = name_hash("shop/a.jpg")
    names = [path.relative_to(tmp_path).as_posix() for path in files.below(tmp_path)]
    assert names == [f"Dresses/shop/a~{digits}~002.jpg", f"Tops/shop/a~{digits}~001.jpg"]
    with Image.open(tmp_path / names[0]) as crop:
        assert crop.size == (40, 40)
        assert crop.getpixel((1, 1))[0] > 240 > 20 > crop.getpixel((38, 38))[1]
        assert crop.info["comment"] == b"shop/a.jpg\nDresses\n2"


def test_boxes_at_the_edge_and_thinner_than_a_pixel(tmp_path):
    found = detections(("a", 0.9, (-5, -5, 61, 41)), ("a", 0.8, (60, 40, 60, 40)), ("a", 0.7, (3.2, 4.2, 3.4, 4.4)))
    Crops(tmp_path).write("a.jpg", photo(), found)
    sizes = [Image.open(path).size for path in files.below(tmp_path)]
    assert sizes == [(60, 40), (1, 1), (1, 1)]


def test_hostile_names_and_classes_stay_inside_and_apart(tmp_path):
    folder = tmp_path / "in" / "crops"
    classes = ["../up", "a/b", "a?b", "CON", "..", "Röcke"]
    found = detections(*[(name, 0.9, (0, 0, 9, 9)) for name in classes])
    for _ in range(2):
        for name in HOSTILE_NAMES:
            Crops(folder).write(name, photo(), found)
    assert len(files.below(tmp_path)) == len(files.below(folder)) == len(HOSTILE_NAMES) * len(classes)
    assert len(list(folder.iterdir())) == len(classes)
    assert (folder / "Röcke").is_dir()
