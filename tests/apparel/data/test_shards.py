import errno
import json
import os
import shutil
from collections import namedtuple
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tqdm import tqdm

from apparel import boxes
from apparel.data import examples, shards
from apparel.data.index import read_index
from apparel.errors import UserError
from apparel.utils import beam
from tests.support import beam_in_process, photo_files

CLASSES = ("Dresses", "Tops", 'Été "& co" \\ 2')
NAMES = [f"{number}.jpg" for number in range(7)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    for name in NAMES:
        photo_files.garment().save(folder / name)
    return folder


def label(name, kind, *corners):
    return dict(zip(boxes.LABEL_COLUMNS, [name, *photo_files.SIZE, kind, *corners], strict=True))


PHOTOS = pd.DataFrame({"filename": NAMES, "width": photo_files.SIZE[0], "height": photo_files.SIZE[1]})
LABELS = boxes.validate_labels(
    pd.DataFrame(
        [
            label("0.jpg", "Tops", *photo_files.BOX),
            label("0.jpg", "Dresses", 0, 0, 5.5, 80),
            label("3.jpg", "Tops", *photo_files.BOX),
            label("6.jpg", CLASSES[2], 1, 2, 3, 4),
        ]
    )
)


def gather(folder, photos=PHOTOS, labels=LABELS, difficult=None):
    return shards.gather(folder, photos, labels, boxes.empty() if difficult is None else difficult, CLASSES)


def records(path):
    import tensorflow as tf

    parsed = (examples.parse_example(record) for record in tf.data.TFRecordDataset(str(path)))
    return [{key: value.numpy() for key, value in values.items()} for values in parsed]


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_photos_are_gathered_with_their_boxes(folder):
    photos = gather(folder, difficult=LABELS[LABELS["class"] == "Dresses"])
    assert [photo.path.name for photo in photos] == NAMES
    assert [len(photo.boxes) for photo in photos] == [2, 0, 0, 1, 0, 0, 1]
    assert photos[0].boxes.tolist() == [[0, 0, 5.5, 80], list(photo_files.BOX)]
    assert (photos[0].class_ids.tolist(), photos[0].difficult.tolist()) == ([1, 2], [True, False])
    assert photos[6].class_ids.tolist() == [3]


def test_boxes_of_a_photo_that_is_not_listed_are_refused(folder):
    with pytest.raises(UserError, match=r"3\.jpg has boxes"):
        gather(folder, photos=PHOTOS[PHOTOS["filename"] != "3.jpg"])


def test_what_is_written_is_what_is_read_and_what_the_index_says(folder, tmp_path):
    out = tmp_path / "made" / "tfrecord"
    packed = gather(folder)
    index = shards.write_shards({"train": packed, "val": packed[:1]}, CLASSES, 3, out)
    assert sorted(path.name for path in out.iterdir()) == [
        "index.json",
        "label_map.pbtxt",
        "train-00000-of-00003.tfrecord",
        "train-00001-of-00003.tfrecord",
        "train-00002-of-00003.tfrecord",
        "val-00000-of-00001.tfrecord",
    ]
    train = index.splits["train"]
    read = [records(out / shard.file) for shard in train.shards]
    assert [values["filename"].decode() for part in read for values in part] == NAMES
    assert [len(part) for part in read] == [shard.photos for shard in train.shards] == [3, 3, 1]
    assert [sum(len(values["boxes"]) for values in part) for part in read] == [shard.boxes for shard in train.shards]
    ids = np.concatenate([values["classes"] for part in read for values in part])
    counts = {name: int((ids == number).sum()) for number, name in enumerate(CLASSES, start=1)}
    assert (train.boxes_per_class, train.photos, train.boxes, train.most_boxes) == (counts, 7, 4, 2)
    assert read_index(out) == index


def test_the_api_reads_the_label_map(folder, tmp_path):
    from object_detection.utils import label_map_util

    path = tmp_path / "label_map.pbtxt"
    path.write_text(shards.label_map(CLASSES), encoding="utf-8")
    ids = label_map_util.get_label_map_dict(str(path))
    assert ids == {name: number for number, name in enumerate(CLASSES, start=1)}


def test_the_bytes_do_not_depend_on_the_number_of_cores(folder, tmp_path, monkeypatch):
    written = []
    for cores in (1, 13):
        monkeypatch.setattr(os, "cpu_count", lambda cores=cores: cores)
        shards.write_shards({"train": gather(folder) * 5}, CLASSES, 10, tmp_path / "out")
        written.append(contents(tmp_path / "out"))
    assert written[0] == written[1]


def test_shuffling_keeps_all_photos_and_follows_the_seed():
    photos = list(range(100))
    first = shards.shuffled(photos, seed=1)
    assert first == shards.shuffled(photos, seed=1) != shards.shuffled(photos, seed=2)
    assert sorted(first) == photos != first


@pytest.mark.parametrize(("limit", "least"), [("PHOTOS_A_TURN", 2), ("BYTES_A_TURN", 1), ("BYTES_A_TURN", 10**9)])
def test_more_photos_than_are_prepared_ahead_stay_in_order(folder, tmp_path, monkeypatch, limit, least):
    monkeypatch.setattr(shards, "TURNS_AHEAD", 3)
    monkeypatch.setattr(shards, limit, least)
    packed = (gather(folder) * 15)[::-1]
    shards.write_shards({"train": packed}, CLASSES, 60, tmp_path / "out")
    written = [values for path in sorted((tmp_path / "out").glob("*.tfrecord")) for values in records(path)]
    assert [values["filename"].decode() for values in written] == [photo.path.name for photo in packed]


@pytest.mark.parametrize("damage", ["truncated", "missing"])
def test_a_bad_photo_stops_by_name_and_what_was_there_stays(folder, tmp_path, damage):
    shutil.copytree(folder, tmp_path / "photos")
    packed = gather(tmp_path / "photos")
    shards.write_shards({"train": packed}, CLASSES, 3, tmp_path / "out")
    before = contents(tmp_path / "out")
    bad = tmp_path / "photos" / "5.jpg"
    if damage == "missing":
        bad.unlink()
    else:
        bad.write_bytes(bad.read_bytes()[:-300])
    with pytest.raises(UserError, match=r"5\.jpg"):
        shards.write_shards({"train": packed}, CLASSES, 3, tmp_path / "out")
    assert contents(tmp_path / "out") == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "photos"]


def test_what_a_killed_run_left_is_cleared(folder, tmp_path):
    (tmp_path / "out.unfinished").mkdir()
    (tmp_path / "out.unfinished" / "train-00000-of-00099.tfrecord").write_bytes(b"half")
    shards.write_shards({"train": gather(folder)}, CLASSES, 100, tmp_path / "out")
    assert "train-00000-of-00099.tfrecord" not in contents(tmp_path / "out")
    assert not (tmp_path / "out.unfinished").exists()


def test_a_disk_too_small_is_refused_before_anything_is_written(folder, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 10**9 - 100, 100))
    with pytest.raises(UserError, match=r"need .* MB, the disk has 0 MB free"):
        shards.write_shards({"train": gather(folder)}, CLASSES, 3, tmp_path / "out")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_disk_that_fills_up_is_reported_as_such(tmp_path):
    shard = tmp_path / "full.tfrecord"
    shard.symlink_to("/dev/full")
    with pytest.raises(OSError) as raised:
        shards._write_shard(shard, [b"record"], tqdm(disable=True))
    assert (raised.value.errno, raised.value.filename) == (errno.ENOSPC, str(shard))


@pytest.fixture
def written(folder, tmp_path):
    shards.write_shards({"train": gather(folder)}, CLASSES, 3, tmp_path / "out")
    return tmp_path / "out"


def test_the_index_is_the_same_for_the_same_photos(written, folder, tmp_path):
    shards.write_shards({"train": gather(folder)}, CLASSES, 3, tmp_path / "again")
    assert contents(written) == contents(tmp_path / "again")
    assert json.loads((written / "index.json").read_text(encoding="utf-8"))["classes"] == list(CLASSES)


def test_beams_workers_write_the_same_bytes_and_skip_whole_shards(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    splits = {"train": gather(folder), "val": gather(folder)[:1]}
    index = shards.write_shards(splits, CLASSES, 2, tmp_path / "here")
    beam_in_process.install(monkeypatch, killed_after=2)
    with pytest.raises(KeyboardInterrupt):
        shards.write_shards(splits, CLASSES, 2, tmp_path / "by-beam")
    finished = len(list(Path(beam.FOLDER, shards.BEAM_WORK).glob("*.result")))
    beam_in_process.install(monkeypatch)
    assert finished == 2
    assert shards.write_shards(splits, CLASSES, 2, tmp_path / "by-beam") == index == read_index(tmp_path / "by-beam")
    assert contents(tmp_path / "by-beam") == contents(tmp_path / "here")
    assert not Path(beam.FOLDER, shards.BEAM_WORK).exists()


def test_a_bad_photo_is_named_by_beams_workers_as_without_them(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.jpg").write_bytes((folder / "0.jpg").read_bytes()[:300])
    photos = [*gather(folder), *gather(tmp_path, PHOTOS[:1].assign(filename="a.jpg"), boxes.empty())]
    with pytest.raises(UserError) as here:
        shards.write_shards({"train": photos}, CLASSES, 2, tmp_path / "out")
    beam_in_process.install(monkeypatch)
    with pytest.raises(UserError) as by_beam:
        shards.write_shards({"train": photos}, CLASSES, 2, tmp_path / "out")
    assert str(by_beam.value) == str(here.value)
    assert "a.jpg" in str(here.value)
    assert not (tmp_path / "out").exists()
