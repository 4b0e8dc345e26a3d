"""XML files of a prediction run: read back by our own reader, and never over another file."""

import json
from pathlib import Path

import pytest

from apparel import paths
from apparel.analysis.predictions import voc_xml
from apparel.analysis.predictions.output_names import picture_path
from apparel.analysis.predictions.voc_xml import VocXml, annotation_xml
from apparel.annotations import pascal_voc
from apparel.errors import UserError
from apparel.utils import files
from tests.support.detection_tables import HOSTILE_NAMES, detections, photo

FOUND = detections(("Dresses", 0.9, (10.4, 0.2, 50.6, 39.9)), ("Tops", 0.1, (0, 0, 5, 5)))


def test_the_file_is_as_labelimg_writes_it():
    expected = """<annotation>
  <folder>shop</folder>
  <filename>a.jpg</filename>
  <source>
    <database>Unknown</database>
  </source>
  <size>
    <width>60</width>
    <height>40</height>
    <depth>3</depth>
  </size>
  <segmented>0</segmented>
  <object>
    <name>Dresses</name>
    <pose>Unspecified</pose>
    <truncated>1</truncated>
    <difficult>0</difficult>
    <bndbox>
      <xmin>10</xmin>
      <ymin>0</ymin>
      <xmax>51</xmax>
      <ymax>40</ymax>
    </bndbox>
  </object>
</annotation>
"""
    assert annotation_xml("2026/shop/a.jpg", (60, 40), FOUND[:1]).decode() == expected


def test_a_file_beside_its_photo_is_read_back_without_a_problem(tmp_path):
    path = tmp_path / "a.jpeg"
    path.touch()
    writer = VocXml(tmp_path / "out")
    writer.write(str(path), photo(), FOUND)
    annotation, problems = pascal_voc.read(tmp_path / "a.xml", "a.xml")
    assert [(box.label, box.corners) for box in annotation.boxes] == [("Dresses", (10, 0, 51, 40))]
    assert (annotation.photo, annotation.size, problems.entries) == ("a.jpeg", (60, 40), [])
    assert writer.close() is None
    assert files.below(tmp_path) == [path, tmp_path / "a.xml"]


def test_existing_files_are_counted_and_named_and_stay(tmp_path):
    names = [str(tmp_path / f"{number}.jpg") for number in range(5)]
    for number in range(5):
        (tmp_path / f"{number}.jpg").touch()
        if number:
            (tmp_path / f"{number}.xml").write_text("by hand")
    for _ in range(2):  # the second is a run that goes on: its own file counts as written
        writer = VocXml(tmp_path / "out")
        for name in names:
            writer.write(name, photo(), FOUND)
        sentence = writer.close()
    assert sentence.startswith("4 XML files existed with other content")
    assert sentence.endswith("1.xml, " + f"{tmp_path}/2.xml, {tmp_path}/3.xml and 1 more")
    assert {(tmp_path / f"{number}.xml").read_text() for number in range(1, 5)} == {"by hand"}
    assert len(files.below(tmp_path)) == 10


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("others", [("a.png",), ("a.JPG",), ("a.webp", "a.PNG", "a.jpeg")])
def test_photos_that_differ_in_the_suffix_alone_have_their_files_in_the_output(tmp_path, others, order):
    photos = [str(tmp_path / name) for name in ("a.jpg", *others, "b.jpg")]
    for path in (*photos, tmp_path / "b.xmp", tmp_path / "b.txt"):
        (tmp_path / path).touch()
    for _ in range(2):  # the second is a run that goes on
        writer = VocXml(tmp_path / "out")
        for name in photos[::order]:
            writer.write(name, photo(), FOUND)
        sentence = writer.close()
    assert sentence.startswith(f"{1 + len(others)} photos share their names but for the suffix")
    assert f"in {tmp_path / 'out'}: {photos[0] if order == 1 else photos[-2]}" in sentence
    written = {path for path in files.below(tmp_path) if path.suffix == ".xml"}
    assert written == {tmp_path / "b.xml", *(tmp_path / "out" / picture_path(name, ".xml") for name in photos[:-1])}
    assert {pascal_voc.read(path, "x")[0].photo for path in written} == {"a.jpg", *others, "b.jpg"}


def test_a_file_system_without_links_is_served(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError("no links")

    monkeypatch.setattr("os.link", refuse)
    (tmp_path / "a.jpg").touch()
    for found, kept in ((FOUND, False), (FOUND, False), (FOUND[:0], True)):
        writer = VocXml(tmp_path / "out")
        writer.write(str(tmp_path / "a.jpg"), photo(), found)
        assert bool(writer.close()) is kept


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_hostile_names_go_to_the_output_and_are_read_back(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    found = detections((" a<b>&\x01 ", 0.9, (-3, 50, 4, 60)))
    VocXml(tmp_path / "out").write(name, photo(), found)
    [path] = files.below(tmp_path)
    assert path == tmp_path / "out" / picture_path(name, ".xml")
    annotation, _ = pascal_voc.read(path, "x")
    assert [(box.label, box.corners) for box in annotation.boxes] == [("a<b>&?", (0, 39, 4, 40))]


MAKER = {"model": "abc", "thresholds": {"Dresses": 0.5}}


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """A photo without labels, and one elsewhere."""
    monkeypatch.chdir(tmp_path)
    folder = paths.UNLABELLED / "shop"
    folder.mkdir(parents=True)
    (folder / "a.jpg").touch()
    (tmp_path / "b.jpg").touch()
    return folder


def test_labels_of_unlabelled_photos_say_who_made_them_and_what_is_uncertain(shop):
    writer = VocXml(Path("out"), MAKER)
    writer.write("b.jpg", photo(), FOUND)
    writer.write("data/unlabelled/shop/a.jpg", photo(), FOUND)
    remark = writer.close()
    assert "dvc add data/unlabelled/shop\n" in remark
    assert "apparel run -S data.unlabelled=shop -S train.teacher=labels" in remark
    assert json.loads((shop / voc_xml.LABELLED_BY).read_text()) == MAKER
    labels, _ = pascal_voc.read(shop / "a.xml", "a.xml")
    assert [(box.label, box.difficult) for box in labels.boxes] == [("Dresses", False), ("Tops", True)]
    elsewhere, _ = pascal_voc.read(Path("b.xml"), "b.xml")
    assert [box.label for box in elsewhere.boxes] == ["Dresses"]
    assert not Path(voc_xml.LABELLED_BY).exists()


def test_labels_of_another_model_are_not_mixed_in(shop):
    for _ in range(2):  # the second is a run that goes on
        VocXml(Path("out"), MAKER).write("data/unlabelled/shop/a.jpg", photo(), FOUND)
    (shop / "c.jpg").touch()
    with pytest.raises(UserError, match=r"labels of another model, .* rm data/unlabelled/shop/\*\.xml"):
        VocXml(Path("out"), MAKER | {"model": "def"}).write("data/unlabelled/shop/c.jpg", photo(), FOUND)
    assert not (shop / "c.xml").exists()
