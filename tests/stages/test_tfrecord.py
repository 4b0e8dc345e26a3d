import pandas as pd
import pytest

from apparel import boxes, paths
from apparel.analysis.predictions.voc_xml import annotation_xml
from apparel.data import unlabelled
from apparel.data.index import read_index
from apparel.errors import UserError
from apparel.utils import csv_tables
from stages import tfrecord
from tests.support import photo_files
from tests.support.detection_tables import detections
from tests.support.repository import ROOT

PARAMS = ROOT / "params.yaml"
SPLITS = {"train": [f"{number}.jpg" for number in range(20)], "val": ["v.jpg"], "test": ["t.jpg", "u.jpg"]}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project folder in which convert and split have run on 23 drawn photos."""
    monkeypatch.chdir(tmp_path)
    text = PARAMS.read_text(encoding="utf-8").replace("name: demo ", "name: toy ").replace("shard: 100", "shard: 8")
    paths.PARAMS.write_text(text, encoding="utf-8")
    paths.photos("toy").mkdir(parents=True)
    sizes = []
    for split, names in SPLITS.items():
        for name in names:
            photo_files.garment().save(paths.photos("toy") / name)
        sizes += [(name, *photo_files.SIZE, split) for name in names]
        rows = [(name, *photo_files.SIZE, "Skirts", *photo_files.BOX) for name in names if name != "u.jpg"]
        boxes.write_labels(pd.DataFrame(rows, columns=boxes.LABEL_COLUMNS), paths.SPLIT / f"{split}.csv")
    csv_tables.write(pd.DataFrame(sizes, columns=[*boxes.PHOTO_COLUMNS, "split"]), paths.SPLIT / "photos.csv")
    boxes.write_labels(boxes.read_labels(paths.SPLIT / "val.csv"), paths.DIFFICULT)
    return tmp_path


def names_in(split, index):
    import tensorflow as tf

    from apparel.data import examples

    files = [str(paths.TFRECORD / shard.file) for shard in index.splits[split].shards]
    return [examples.parse_example(record)["filename"].numpy().decode() for record in tf.data.TFRecordDataset(files)]


def test_each_photo_is_in_the_shards_of_its_split(project, capsys):
    tfrecord.main()
    index = read_index(paths.TFRECORD)
    assert sorted(names_in("train", index)) == sorted(SPLITS["train"]) != names_in("train", index)
    assert names_in("val", index) == SPLITS["val"]
    assert names_in("test", index) == SPLITS["test"]
    assert [split.boxes for split in index.splits.values()] == [20, 1, 1]
    assert len(index.splits["train"].shards) == 3
    assert "train: photos 20, boxes 20, shards 3" in capsys.readouterr().out


def test_a_second_run_writes_the_same_bytes(project):
    written = []
    for _ in range(2):
        tfrecord.main()
        written.append({path.name: path.read_bytes() for path in sorted(paths.TFRECORD.iterdir())})
    assert written[0] == written[1]


def test_a_photo_that_vanished_is_named(project):
    (paths.photos("toy") / "t.jpg").unlink()
    with pytest.raises(UserError, match=r"missing: .*t\.jpg;"):
        tfrecord.main()
    assert not paths.TFRECORD.exists()


def test_unlabelled_photos_that_are_used_are_a_split_of_their_own_with_the_boxes_beside_them(project):
    plain = files_of(project)
    text = paths.PARAMS.read_text(encoding="utf-8").replace("unlabelled: none", "unlabelled: more")
    paths.PARAMS.write_text(text.replace("teacher: none", "teacher: labels"), encoding="utf-8")
    folder = paths.UNLABELLED / "more"
    folder.mkdir(parents=True)
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        photo_files.garment().save(folder / name)
    (folder / "b.xml").write_bytes(annotation_xml("b.jpg", photo_files.SIZE, detections(("Tops", 0.9, (0, 0, 9, 9)))))
    uses = {"a.jpg": "used", "b.jpg": "used", "c.jpg": "left out"}
    rows = [(name, *photo_files.SIZE, use, "", "") for name, use in uses.items()]
    csv_tables.write(pd.DataFrame(rows, columns=unlabelled.COLUMNS), paths.UNLABELLED_TABLE)
    with_them = files_of(project)
    assert {name: data for name, data in with_them.items() if name in plain and name != "index.json"} == {
        name: data for name, data in plain.items() if name != "index.json"
    }
    index = read_index(paths.TFRECORD)
    assert sorted(names_in("unlabelled", index)) == ["a.jpg", "b.jpg"]
    counts = index.splits["unlabelled"]
    assert (counts.photos, counts.boxes, counts.boxes_per_class["Tops"]) == (2, 1, 1)


def files_of(project):
    """The files that the stage writes, by name."""
    tfrecord.main()
    return {path.name: path.read_bytes() for path in paths.TFRECORD.iterdir()}
