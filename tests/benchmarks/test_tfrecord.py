import pytest

from apparel.errors import UserError
from benchmarks import tfrecord
from tests.support import photo_files


def test_the_stage_and_the_loops_are_measured_on_the_photos_of_a_folder(tmp_path):
    for name in ("plain.jpg", "progressive.jpg", "turned-6.jpg"):
        photo_files.IN_COLOUR[name](tmp_path / name)
    rows = tfrecord.measure(tmp_path, count=2, rounds=1)
    assert [(row.what, row.beside) for row in rows] == [
        ("tfrecord", "tensorflow_datasets"),
        ("tfrecord", "tensorflow_datasets, checked"),
        ("tfrecord", "loop that decodes"),
        ("tfrecord", "loop that only copies"),
    ]
    assert rows[0].amount == 2 and rows[0].work.startswith("2 photos")


def test_a_folder_without_photos_is_refused(tmp_path):
    with pytest.raises(UserError, match="has no photos"):
        tfrecord.measure(tmp_path / "none", 1, 1)
