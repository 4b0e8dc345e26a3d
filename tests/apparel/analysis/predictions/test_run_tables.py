"""Tables of a prediction run: cut back to whole photos after a kill, and compared with the photos that come again."""

import csv

import pytest

from apparel.analysis.predictions.run_tables import DETECTIONS, PHOTOS, PROBLEMS, RunTables, table_name
from apparel.errors import UserError
from apparel.inference.writer import WrittenDetection

ROW = WrittenDetection("Tops", 0.75, 1.0, 2.0, 30.5, 40.0, 0.5)


def write(folder):
    tables = RunTables(folder)
    tables.write_photo("a.jpg", (40, 50), [ROW, ROW])
    tables.write_problem("b.jpg", "is damaged")
    tables.write_photo("c, d.jpg", (40, 50), [])
    tables.write_photo("e.jpg", (40, 50), [ROW])
    tables.close()


def contents(folder):
    return {table: (folder / table).read_bytes() for table in (PHOTOS, DETECTIONS, PROBLEMS)}


def test_the_tables_have_a_line_a_photo_and_detection(tmp_path):
    write(tmp_path)
    assert list(csv.reader((tmp_path / PHOTOS).open()))[1:] == [
        ["a.jpg", "40", "50", "2"], ["c, d.jpg", "40", "50", "0"], ["e.jpg", "40", "50", "1"]
    ]  # fmt: skip
    detection = list(csv.DictReader((tmp_path / DETECTIONS).open()))[2]
    assert detection == {
        "file": "e.jpg", "class": "Tops", "score": "0.75", "xmin": "1", "ymin": "2", "xmax": "30.5", "ymax": "40",
        "threshold": "0.5",
    }  # fmt: skip


@pytest.mark.parametrize("cut", range(1, 90, 3))
def test_whatever_was_half_written_goes_and_is_written_again(tmp_path, cut):
    write(tmp_path)
    whole = contents(tmp_path)
    photos = whole[PHOTOS][:-cut]
    (tmp_path / PHOTOS).write_bytes(photos)  # a photo's detections are written before its own line
    (tmp_path / DETECTIONS).write_bytes(whole[DETECTIONS] + b"e.jpg,To")
    tables = RunTables(tmp_path)
    sizes = {"a.jpg": [ROW, ROW], "c, d.jpg": [], "e.jpg": [ROW]}
    for name in list(sizes)[tables.photos :]:
        tables.write_photo(name, (40, 50), sizes[name])
    tables.close()
    assert contents(tmp_path) == whole


def test_other_photos_are_refused(tmp_path):
    write(tmp_path)
    tables = RunTables(tmp_path)
    names = tables.names()
    assert [names.skip(name) for name in ("a.jpg", "b.jpg", "c, d.jpg", "e.jpg", "f.jpg")] == [True] * 4 + [False]
    with pytest.raises(UserError, match=r"'c, d\.jpg' was"):
        names = tables.names()
        names.skip("a.jpg"), names.skip("b.jpg"), names.skip("new.jpg")
    with pytest.raises(UserError, match="no longer among the photos"):
        names = tables.names()
        names.skip("a.jpg")
        names.check_all_seen()
    tables.close()


def test_a_table_that_lacks_detections_is_refused(tmp_path):
    write(tmp_path)
    (tmp_path / DETECTIONS).write_bytes(b"file,class,score,xmin,ymin,xmax,ymax,threshold\n")
    with pytest.raises(UserError, match="lacks detections"):
        RunTables(tmp_path)


def test_a_name_takes_one_line_of_text():
    assert table_name("a\nb\r\x1b[2J\u2028\udcff,裙.jpg") == "a\\x0ab\\x0d\\x1b[2J\\x2028\\udcff,裙.jpg"
