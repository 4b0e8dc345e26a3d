"""Annotation files and photos become one label table; every problem is in the report."""

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from apparel import boxes, images
from apparel.annotations.convert import convert_data_set
from apparel.annotations.records import Box
from apparel.data.synthetic.dataset import labelimg_xml
from apparel.errors import UserError
from apparel.utils import beam, csv_tables
from tests.support import beam_in_process
from tests.support.annotated_photos import DataSet, reasons
from tests.support.photo_files import save_turned
from tests.support.repository import APPAREL, SHARED

CLASSES = ["Dresses", "Lingerie", "Pants_Leggings", "Shorts", "Skirts", "Tops"]
CASE_RED = (220, 40, 40)
MISSING = "41429154_915a98d4a8a223a795032108cdd335d2.thumbnail.jpg"


@pytest.fixture
def data(tmp_path):
    return DataSet(tmp_path)


def test_tables_hold_what_the_files_say(data):
    data.photo("a.jpg", "b.png", "c.jpg", "left.jpg")
    data.xml("b.xml", "b.png", ("Tops", (1, 2, 3.5, 4)), ("Skirts", (1, 2, 30, 40), True))
    data.xml("deep/a.xml", "a.jpg", ("Tops", (5, 6, 7, 8)))
    data.xml("c.xml", "c.jpg")
    converted = data.convert(["Tops", "Skirts"])
    assert converted.labels.to_csv(index=False).splitlines()[1:] == [
        "a.jpg,100,100,Tops,5.0,6.0,7.0,8.0",
        "b.png,100,100,Skirts,1.0,2.0,30.0,40.0",
        "b.png,100,100,Tops,1.0,2.0,3.5,4.0",
    ]
    assert converted.difficult["class"].tolist() == ["Skirts"]
    assert converted.photos["filename"].tolist() == ["a.jpg", "b.png", "c.jpg"]
    assert converted.report == {
        "annotation_files": 3,
        "photos": 3,
        "photos_without_boxes": 1,
        "photos_without_annotation": 1,
        "photos_that_lost_all_boxes": 0,
        "photos_that_lost_some_boxes": 0,
        "boxes": 3,
        "boxes_marked_difficult": 1,
        "boxes_per_class": {"Tops": 2, "Skirts": 1},
        "boxes_of_other_classes": {},
        "decided": [],
        "repaired": {},
        "dropped": {},
        "noted": {},
    }


def test_boxes_of_other_classes_are_left_out_and_their_photos_kept(data):
    data.photo("a.jpg", "b.jpg")
    data.xml("a.xml", "a.jpg", ("Tops", (1, 2, 3, 4)), ("Hats", (1, 2, 3, 4)))
    data.xml("b.xml", "b.jpg", ("Bags, small", (1, 2, 3, 4)))
    converted = data.convert()
    assert len(converted.labels) == 1
    assert converted.photos["filename"].tolist() == ["a.jpg", "b.jpg"]
    assert converted.report["boxes_of_other_classes"] == {"Bags, small": 1, "Hats": 1}
    assert converted.report["dropped"] == {}


def test_a_class_list_that_does_not_fit_is_refused(data):
    data.photo("a.jpg")
    data.xml("a.xml", "a.jpg", ("Tops", (1, 2, 3, 4)))
    with pytest.raises(UserError, match="no box is labelled 'Dresses'"):
        data.convert(["Tops", "Dresses"])
    data.xml("a.xml", "a.jpg", ("Tops", (1, 2, 3, 4)), ("top", (1, 2, 3, 4)))
    with pytest.raises(UserError, match=r"'top', which is not in data.classes but looks like 'Tops'"):
        data.convert()


def test_no_box_is_lost_to_how_its_class_is_written(data):
    data.photo("a.jpg", "b.jpg")
    data.xml("a.xml", "a.jpg", ("Long\n dress", (1, 2, 3, 4)), ("Long\u200bdress", (1, 2, 3, 4)))
    converted = convert_data_set(data.photos, data.annotations, None)
    assert converted.labels["class"].tolist() == ["Long dress", "Long?dress"]


def test_a_csv_file_labels_many_photos(data):
    data.photo("a.jpg", "b.jpg")
    (data.annotations / "fiat.CSV").write_text(
        "./a.jpg,Tops,50,50,20,10,90\nb.jpg,Tops,5,5,20,10,0\nc.jpg,Tops,5,5,2,2,0\n"
    )
    converted = data.convert()
    assert converted.labels[boxes.CORNERS].to_numpy().tolist() == [[45, 40, 55, 60], [0, 0, 15, 10]]
    assert reasons(converted.report, "repaired") == {
        "box cut at the photo's edge": {"fiat.CSV": ["b.jpg: Tops -5 0 15 10"]}
    }
    assert reasons(converted.report) == {"photo is missing": {"fiat.CSV": ["'c.jpg', 1 boxes"]}}


def test_boxes_are_counted_that_go_with_a_whole_annotation(data):
    data.photo("a.jpg", "c.jpg")
    data.xml("c.xml", "c.jpg", ("Tops", (1, 2, 3, 4)))
    (data.annotations / "1.csv").write_text("a.jpg,Tops,5,5,4,4\n")
    (data.annotations / "2.csv").write_text("a.jpg,Skirts,5,5,4,4\na.jpg,Skirts,9,9,4,4\nb.jpg,Skirts,9,9,4,4\n")
    dropped = data.convert().report["dropped"]
    assert {reason: (found["count"], found["boxes"]) for reason, found in dropped.items()} == {
        "photo has several annotations that differ": (2, 3),
        "photo is missing": (1, 1),
    }


def test_files_that_cannot_be_read_cost_only_themselves(data):
    data.photo("a.jpg", "b.jpg", "c.jpg")
    data.xml("a.xml", "a.jpg", ("Tops", (1, 2, 3, 4)))
    data.xml("b.xml", "b.jpg", ("Tops", (1, 2, 3, 4)))
    (data.annotations / "c.xml").write_text("<!DOCTYPE a><a/>")
    (data.photos / "b.jpg").write_bytes(b"GIF89a no photo")
    (data.annotations / ".hidden.xml").write_text("ignored")
    found = reasons(data.convert().report)
    assert list(found) == ["annotation file cannot be read", "photo cannot be read"]
    assert found["annotation file cannot be read"]["c.xml"][0].startswith("is refused: it has a document type")
    assert found["photo cannot be read"]["b.xml"][0].startswith("b.jpg is")


def test_boxes_are_turned_with_the_photo(data):
    save_turned(data.photos / "a.jpg", 6)
    stored = Image.open(data.photos / "a.jpg").size
    path = data.annotations / "a.xml"
    text = labelimg_xml("a.jpg", 0, [Box("Tops", (20, 70, 64, 110))])
    sizes = f"<width>{stored[0]}</width>\n\t\t<height>{stored[1]}</height>"
    path.write_text(text.replace("<width>0</width>\n\t\t<height>0</height>", sizes))
    converted = data.convert()
    assert converted.photos[["width", "height"]].to_numpy().tolist() == [[stored[1], stored[0]]]
    assert converted.labels[boxes.CORNERS].to_numpy().tolist() == [[stored[1] - 110, 20, stored[1] - 70, 64]]


def test_an_empty_or_missing_folder_is_named(data):
    with pytest.raises(UserError, match="photos holds no photos"):
        data.convert()
    data.photo("a.jpg")
    with pytest.raises(UserError, match=r"annotations holds no annotation files"):
        data.convert()
    data.xml("b.xml", "b.jpg", ("Tops", (1, 2, 3, 4)))
    with pytest.raises(
        UserError, match=r"none of 1 files in .*annotations annotates a photo.*b\.xml: photo is missing"
    ):
        data.convert()
    data.photos.rename(data.photos.with_name("gone"))
    with pytest.raises(UserError, match="photos not found; import"):
        data.convert()


def test_strange_names_are_kept_where_a_table_can_hold_them(data):
    held, not_held = ["-rf.jpg", 'it\'s "quoted", ünï <&>.jpg'], ["new\nline.jpg", "\udcff.jpg"]
    try:
        data.photo("a.jpg", *held, *not_held)
    except OSError:
        pytest.skip("the file system refuses such names")
    for number, name in enumerate(held):
        data.xml(f"{number}.xml", name, ("Tops", (1, 2, 3, 4)))
    (data.annotations / "x.xml").write_text("<annotation><filename>new&#10;line.jpg</filename></annotation>")
    data.xml("\udcff.xml", "", ("Tops", (1, 2, 3, 4)))
    converted = data.convert()
    assert converted.labels["filename"].tolist() == sorted(held)
    assert reasons(converted.report) == {
        "photo is missing": {"x.xml": ["'new?line.jpg', 0 boxes"], "?.xml": ["'', 1 boxes"]}
    }


def test_any_number_of_cores_gives_the_same(data, tmp_path):
    names = [f"{number}.jpg" for number in range(12)]
    data.photo(*names)
    for name in names:
        data.xml(f"{name}.xml", name, ("Tops", (-1, 2, 3, 4)), ("Skirts", (1, 2, 3, 4)))
    one, two = (data.convert(cores=cores) for cores in (1, 2))
    assert one.report == two.report
    for table in ("labels", "difficult", "photos"):
        csv_tables.write(getattr(one, table), tmp_path / "one.csv")
        csv_tables.write(getattr(two, table), tmp_path / "two.csv")
        assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()


def test_a_photo_all_of_whose_boxes_were_dropped_is_not_one_without_garments(data):
    data.photo("a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg", "f.jpg")
    data.xml("a.xml", "a.jpg", ("Tops", (1, 2, 3, 4)))
    data.xml("b.xml", "b.jpg", ("Tops", (200, 2, 300, 4)))
    data.xml("c.xml", "c.jpg", ("Tops", (1, 2, 3, 4)), ("Tops", (1, 2, 1, 4)))
    data.xml("d.xml", "d.jpg")
    (data.annotations / "e.xml").write_text("<annotation><filename>e.jpg</filename><obj><b>1</b></obj></annotation>")
    (data.annotations / "f.csv").write_text("path,class,x,y,w,h\nf.jpg,Tops,1,2,x,3\n")
    converted = data.convert()
    assert converted.photos["filename"].tolist() == ["a.jpg", "c.jpg", "d.jpg"]
    counts = ("photos", "photos_without_boxes", "photos_that_lost_all_boxes", "photos_that_lost_some_boxes")
    assert [converted.report[count] for count in counts] == [3, 1, 3, 1]
    assert len(data.convert(incomplete_as_negative=True).photos) == 6


def test_a_photo_that_keeps_boxes_of_other_classes_only_is_not_one_without_garments_either(data):
    data.photo("a.jpg", "b.jpg", "c.jpg")
    data.xml("a.xml", "a.jpg", ("Tops", (1, 2, 3, 4)))
    data.xml("b.xml", "b.jpg", ("Hats", (1, 2, 3, 4)), ("Tops", (200, 2, 300, 4)))
    data.xml("c.xml", "c.jpg", ("Hats", (1, 2, 3, 4)))
    assert data.convert(["Tops"]).photos["filename"].tolist() == ["a.jpg", "c.jpg"]
    assert data.convert(["Tops", "Hats"]).photos["filename"].tolist() == ["a.jpg", "b.jpg", "c.jpg"]


CASES = {
    "renamed-with-xml": (20, "by their own names 20 fit better, by <filename> 0"),
    "stale-size": (24, "(320x240 for 640x480): boxes are in the photos' own pixels"),
    "exif-as-stored": (24, "12 prove that boxes were drawn on the pixels as stored, 0 as shown"),
}


@pytest.mark.shared("cases")
@pytest.mark.parametrize("case", CASES)
def test_all_boxes_of_the_cases_lie_on_the_red(data, case):
    for path in (SHARED / "cases" / case).iterdir():
        shutil.copy(path, data.annotations if path.suffix == ".xml" else data.photos)
    converted = data.convert(["red"])
    count, decided = CASES[case]
    assert (len(converted.labels), converted.report["dropped"]) == (count, {})
    assert decided in converted.report["decided"][0]
    for name, *corners in converted.labels[["filename", *boxes.CORNERS]].itertuples(index=False):
        xmin, ymin, xmax, ymax = map(int, corners)
        pixels = np.asarray(images.read(data.photos / name)).astype(int)
        red = (np.abs(pixels - CASE_RED) < 60).all(axis=2)
        assert red[ymin + 2 : ymax - 2, xmin + 2 : xmax - 2].mean() > 0.99


@pytest.mark.shared("apparel")
def test_the_apparel_data_gives_the_published_labels(tmp_path):
    for archive in APPAREL.glob("annotations/*.zip"):
        zipfile.ZipFile(archive).extractall(tmp_path / "annotations")
    (tmp_path / "photos").mkdir()
    with zipfile.ZipFile(APPAREL / "samples" / "samples-1.zip") as samples:
        for name in samples.namelist():
            if not name.endswith("/"):
                (tmp_path / "photos" / Path(name).name).write_bytes(samples.read(name))
    converted = convert_data_set(tmp_path / "photos", tmp_path / "annotations", CLASSES)
    boxes.write_labels(converted.labels, tmp_path / "labels.csv")
    published = (APPAREL / "labels" / "labels.csv").read_text().splitlines()
    assert sorted(row for row in published if not row.startswith(MISSING)) == sorted(
        (tmp_path / "labels.csv").read_text().splitlines()
    )
    assert converted.report["repaired"] == converted.report["noted"] == {}
    assert converted.report["dropped"]["photo is missing"]["count"] == 10
    assert len(converted.photos) == 910


def test_beams_workers_read_the_same_and_again_what_changed_after_a_kill(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(beam, "ITEMS_A_SHARD", 2)
    data.photo("a.jpg", "b.jpg", "c.jpg")
    data.xml("a.xml", "a.jpg", ("Tops", (5, 6, 7, 8)))
    data.xml("b.xml", "b.jpg", ("Tops", (1, 2, 130, 40)))
    data.xml("c.xml", "c.jpg", ("Tops", (1, 2, 3, 4)))
    (data.photos / "c.jpg").write_bytes(b"no photo")
    beam_in_process.install(monkeypatch, killed_after=1)
    with pytest.raises(KeyboardInterrupt):
        data.convert()
    data.xml("c.xml", "c.jpg", ("Tops", (1, 2, 30, 40)), ("Tops", (1, 2, 3, 4)))
    beam_in_process.install(monkeypatch)
    by_beam = data.convert()
    monkeypatch.delenv(beam.VARIABLE)
    here = data.convert()
    assert by_beam.report == here.report
    assert here.report["dropped"]["photo cannot be read"]["boxes"] == 2
    assert by_beam.labels.equals(here.labels) and by_beam.photos.equals(here.photos)
    assert not list(beam.FOLDER.glob("*/*"))
