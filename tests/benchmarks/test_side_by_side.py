import pytest

from apparel.errors import UserError
from benchmarks import side_by_side
from tests.support import photo_files


def test_the_ways_take_turns_after_one_call_that_does_not_count():
    calls = []
    seconds = side_by_side.in_turn({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, rounds=2)
    assert "".join(calls) == "ababab"
    assert {name: len(taken) for name, taken in seconds.items()} == {"a": 2, "b": 2}


def test_the_ratio_is_the_median_of_the_rounds_not_of_the_rates():
    text = side_by_side.report("title", {"ours": [1.0, 4.0, 2.0], "loop": [3.0, 4.0, 8.0]}, 100, "photos")
    title, ours, loop = text.splitlines()
    assert title == "title"
    assert ours.split() == ["ours", "50", "photos/s"]
    assert "25 photos/s" in loop and "ours is 3.00 times as fast (1.00 to 4.00)" in loop


def test_tfrecord_is_measured_on_the_photos_of_a_folder(tmp_path):
    for name in ("plain.jpg", "turned-6.jpg", "cmyk.tif"):
        photo_files.IN_COLOUR[name](tmp_path / name)
    lines = side_by_side.tfrecord(tmp_path, count=2, rounds=1).splitlines()
    assert lines[0].startswith("tfrecord: 2 photos")
    assert [line.split("  ")[1] for line in lines[1:]] == ["tfrecord", "loop that decodes", "loop that only copies"]


def test_a_folder_without_photos_is_refused(tmp_path):
    with pytest.raises(UserError, match="holds no photos"):
        side_by_side.tfrecord(tmp_path / "none", 1, 1)
