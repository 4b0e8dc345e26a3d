"""The index of the TFRecord shards: read back as it was written; what was damaged since is named."""

from dataclasses import replace

import numpy as np
import pytest

from apparel.data import index, shards
from apparel.data.example_writer import Photo
from apparel.data.index import read_index, write_index
from apparel.errors import UserError
from apparel.versioning import dvc_hash
from tests.support import photo_files

CLASSES = ("Dresses", "Tops")


@pytest.fixture
def photos(tmp_path):
    """Seven photos of one dress each."""
    garments = [tmp_path / f"{number}.jpg" for number in range(7)]
    for path in garments:
        photo_files.garment().save(path)
    box, dress, easy = np.array([photo_files.BOX], float), np.array([1]), np.array([False])
    return [Photo(path, *photo_files.SIZE, box, dress, easy) for path in garments]


@pytest.fixture
def written(photos, tmp_path):
    shards.write_shards({"train": photos}, CLASSES, 3, tmp_path / "out")
    return tmp_path / "out"


def _count_records(shard):
    import tensorflow as tf

    return sum(1 for _ in tf.data.TFRecordDataset(str(shard)))


def test_the_index_is_read_as_it_was_written(photos, tmp_path):
    made = shards.write_shards({"train": photos, "val": photos[:1], "test": []}, CLASSES, 3, tmp_path / "out")
    assert read_index(tmp_path / "out") == made
    assert index.summary(made).splitlines() == [
        "train: photos 7, boxes 7, shards 3",
        "val: photos 1, boxes 1, shards 1",
        "test: photos 0, boxes 0, shards 0",
    ]


@pytest.mark.parametrize("place", [0, 11, 500, -1])
def test_a_flipped_bit_in_a_shard_is_found_and_named(written, place):
    shard = written / "train-00001-of-00003.tfrecord"
    data = bytearray(shard.read_bytes())
    data[place] ^= 16
    shard.write_bytes(data)
    with pytest.raises(UserError, match=r"train-00001-of-00003\.tfrecord is damaged"):
        read_index(written)


def test_a_truncated_shard_is_found_even_between_records(written):
    shard = written / "train-00001-of-00003.tfrecord"
    data = shard.read_bytes()
    first_record = int.from_bytes(data[:8], "little") + 16
    shard.write_bytes(data[:first_record])
    assert _count_records(shard) == 1  # TensorFlow sees nothing wrong with it
    with pytest.raises(UserError, match=r"train-00001-of-00003\.tfrecord is damaged"):
        read_index(written)


def test_a_missing_shard_or_index_is_named(written):
    (written / "train-00002-of-00003.tfrecord").unlink()
    with pytest.raises(UserError, match=r"train-00002-of-00003\.tfrecord is missing"):
        read_index(written)
    (written / "index.json").unlink()
    with pytest.raises(UserError, match=r"index\.json not found"):
        read_index(written)


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"splits": 3}', '{"splits": {"train": {"shards": [{}]}}}', "\ud800"]
)
def test_a_damaged_index_is_named(written, content):
    (written / "index.json").write_bytes(content.encode("utf-8", "surrogatepass"))
    with pytest.raises(UserError, match=r"index\.json is damaged"):
        read_index(written)


@pytest.mark.parametrize("length", [2**63, 10**12, 0])
def test_a_record_that_declares_what_the_file_does_not_hold_is_refused(written, length):
    """Its checksum in the index is right: whoever wrote both may mean harm."""
    made = read_index(written)
    counts = made.splits["train"]
    path = written / counts.shards[0].file
    path.write_bytes(length.to_bytes(8, "little") + path.read_bytes()[8:])
    shard = replace(counts.shards[0], md5=dvc_hash.file_md5(path))
    changed = replace(counts, shards=(shard, *counts.shards[1:]))
    write_index(replace(made, splits={"train": changed}), written)
    with pytest.raises(UserError, match=rf"{path.name} does not hold \d+ records"):
        read_index(written)


def test_batches_are_not_padded_to_a_billion_boxes(written):
    made = read_index(written)
    write_index(replace(made, splits={"train": replace(made.splits["train"], most_boxes=10**9)}), written)
    with pytest.raises(UserError, match="1,000,000,000 boxes on one photo"):
        read_index(written)
