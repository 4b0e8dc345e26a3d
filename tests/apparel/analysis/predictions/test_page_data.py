"""Data of the page of a prediction run, read from its tables."""

from itertools import islice
from urllib.parse import unquote

import pytest

from apparel.analysis.predictions import page_data
from apparel.analysis.predictions.output_names import name_hash
from apparel.errors import UserError
from tests.support.detection_tables import HOSTILE_NAMES, detections
from tests.support.prediction_run import write_run

TWO = detections(("b", 0.123456789, (1.23, 2, 3, 4)), ("a", 0.1, (5, 6, 7, 8)))


def read(folder, classes=("a", "b")):
    return list(page_data.read_chunks(folder / "photos.csv", folder / "detections.csv", classes))


def test_photos_come_with_their_detections_in_parts(tmp_path, monkeypatch):
    monkeypatch.setattr(page_data, "CHUNK", 2)
    write_run(tmp_path, {"none.jpg": TWO[:0], "x/two.jpg": TWO, "one.jpg": TWO[:1]})
    first, second = read(tmp_path)
    assert (first.names, second.names) == (["none.jpg", "x/two.jpg"], ["one.jpg"])
    assert first.hashes == [name_hash("none.jpg"), name_hash("x/two.jpg")]
    assert (first.sizes, first.counts) == ([60, 40, 60, 40], [0, 2])
    assert (first.classes, first.scores) == ([1, 0], [0.123456789, 0.1])  # whole scores: thresholds are some of them
    assert first.corners == [1.2, 2, 3, 4, 5, 6, 7, 8]
    assert (second.classes, second.sources) == ([1], [""])


def test_a_local_photo_has_an_address_from_the_page(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = "a #1%?ü'\".jpg"
    (tmp_path / name).touch()
    write_run(tmp_path / "out" / "run", {name: TWO})
    [chunk] = read(tmp_path / "out" / "run")
    assert not set(chunk.sources[0]) & set("#?'\" ")
    assert (tmp_path / "out" / "run" / unquote(chunk.sources[0])).is_file()


def test_hostile_names_are_read_and_lead_to_their_thumbnails(tmp_path):
    write_run(tmp_path, dict.fromkeys(HOSTILE_NAMES, TWO))
    [chunk] = read(tmp_path)
    assert chunk.names == [name.encode(errors="backslashreplace").decode() for name in HOSTILE_NAMES]
    for digits in chunk.hashes:
        assert (tmp_path / "thumbnails" / digits[:2] / f"{digits[2:]}.jpg").is_file()


def test_no_more_is_read_than_a_part_needs(tmp_path, monkeypatch):
    monkeypatch.setattr(page_data, "CHUNK", 10)
    write_run(tmp_path, {f"{number}.jpg": TWO for number in range(200)})
    with (tmp_path / "photos.csv").open("a") as file:
        file.write("damaged\n")
    chunks = page_data.read_chunks(tmp_path / "photos.csv", tmp_path / "detections.csv", ["a", "b"])
    assert [len(chunk.names) for chunk in islice(chunks, 3)] == [10, 10, 10]
    with pytest.raises(UserError, match=r"photos.csv, line 202: 1 fields"):
        list(chunks)


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("photos.csv", '"width"', '"breadth"', "photos.csv: no column 'width'"),
        ("photos.csv", '"60"', '"6O"', "photos.csv, line 2: the size"),
        ("detections.csv", '"0.1"', '"high"', "detections.csv, line 3: a score"),
        ("detections.csv", '"b"', '"c"', "detections.csv, line 2: class 'c' is none"),
        ("detections.csv", '"one.jpg"', '"other.jpg"', "detections.csv, line 2: 'other.jpg' is not in photos.csv"),
        ("detections.csv", '"b"', '"b', "detections.csv is damaged"),
    ],
)
def test_damaged_tables_are_named_with_the_line(tmp_path, file, old, new, message):
    write_run(tmp_path, {"one.jpg": TWO})
    text = (tmp_path / file).read_text()
    assert old in text
    (tmp_path / file).write_text(text.replace(old, new))
    with pytest.raises(UserError, match=message):
        read(tmp_path)


def test_a_missing_table_is_named(tmp_path):
    write_run(tmp_path, {})
    (tmp_path / "photos.csv").unlink()
    with pytest.raises(UserError, match=r"photos.csv not found"):
        read(tmp_path)
