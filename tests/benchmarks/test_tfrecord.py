import pytest

from apparel.errors import UserError
from benchmarks import tfrecord
from tests.support import photo_files


def test_the_stage_and_the_loops_are_measured_on_the_photos_of_a_folder(tmp_path):
    for name in ("plain.jpg", "turned-6.jpg", "cmyk.tif"):
        photo_files.IN_COLOUR[name](tmp_path / name)
    lines = tfrecord.measure(tmp_path, count=2, rounds=1).splitlines()
    assert lines[0].startswith("tfrecord: 2 photos")
    assert [line.split("  ")[1] for line in lines[1:]] == ["tfrecord", "loop that decodes", "loop that only copies"]


def test_a_folder_without_photos_is_refused(tmp_path):
    with pytest.raises(UserError, match="has no photos"):
        tfrecord.measure(tmp_path / "none", 1, 1)
