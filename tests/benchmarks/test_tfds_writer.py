import pytest
import tensorflow as tf

from benchmarks import tfds_writer
from tests.support import photo_files
from tests.support.labelled_photo import photo_of


def test_a_damaged_photo_is_found_only_when_photos_are_checked(tmp_path):
    photo_files.garment().save(tmp_path / "a.jpg")
    tfds_writer.write([photo_of(tmp_path / "a.jpg")], tmp_path, checked=True)
    (tmp_path / "a.jpg").write_bytes((tmp_path / "a.jpg").read_bytes()[:-200])
    tfds_writer.write([photo_of(tmp_path / "a.jpg")], tmp_path, checked=False)
    with pytest.raises(tf.errors.InvalidArgumentError):
        tfds_writer.write([photo_of(tmp_path / "a.jpg")], tmp_path, checked=True)
    assert [path.name for path in tmp_path.iterdir()] == ["a.jpg"]
