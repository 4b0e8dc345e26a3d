import pandas as pd
import pytest
from PIL import Image

from apparel import boxes, params, paths
from apparel.utils import csv_tables
from stages import split
from tests.support.repository import ROOT


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Twenty photos of noise, two of them the same, after convert."""
    monkeypatch.chdir(tmp_path)
    folder = paths.photos("shop")
    folder.mkdir(parents=True)
    paths.lists("shop").mkdir()
    for number in range(20):
        Image.effect_noise((64, 64), 90).save(folder / f"{number:02}.png")
    (folder / "19.png").write_bytes((folder / "00.png").read_bytes())
    sizes = [(f"{number:02}.png", 64, 64) for number in range(20)]
    rows = [(*size, "Tops", 1, 2, 3, 4.5) for size in sizes[:18]]
    boxes.write_labels(pd.DataFrame(rows, columns=boxes.LABEL_COLUMNS), paths.LABELS)
    boxes.write_photos(pd.DataFrame(sizes, columns=boxes.PHOTO_COLUMNS), paths.PHOTOS_TABLE)
    return tmp_path


def configure(monkeypatch, unlabelled="none", **changes):
    loaded = params.load(ROOT / "params.yaml")
    data = loaded.data.model_copy(update={"name": "shop", "classes": ("Tops",), "unlabelled": unlabelled})
    split_params = loaded.split.model_copy(update=changes)
    monkeypatch.setattr(params, "load", lambda: loaded.model_copy(update={"data": data, "split": split_params}))


def outputs():
    return {path.name: path.read_bytes() for path in paths.SPLIT.iterdir()}


def test_the_tables_are_complete_and_the_same_in_a_second_run(project, monkeypatch):
    configure(monkeypatch)
    split.main()
    first = outputs()
    assert first.keys() == {"train.csv", "val.csv", "test.csv", "photos.csv", "summary.csv", "md5.json"}
    photos = csv_tables.read(paths.SPLIT / "photos.csv", ["filename", "width", "height", "split"])
    split_of = dict(zip(photos["filename"], photos["split"], strict=True))
    assert (
        len(split_of) == 20
        and split_of["00.png"] == split_of["19.png"]
        and set(split_of.values()) == {"train", "val", "test"}
    )
    parts = [boxes.read_labels(paths.SPLIT / f"{name}.csv").assign(split=name) for name in ("train", "val", "test")]
    assert sum(map(len, parts)) == 18
    assert all(split_of[row.filename] == row.split for part in parts for row in part.itertuples())
    assert b"Tops,12,2,4,18" in first["summary.csv"]
    split.main()
    assert outputs() == first


def test_a_pinned_test_list_wins(project, monkeypatch, capsys):
    (paths.lists("shop") / "test.csv").write_text("filename\n19.png\n05.png\n", encoding="utf-8")
    configure(monkeypatch, test_list="test.csv")
    split.main()
    photos = csv_tables.read(paths.SPLIT / "photos.csv", ["filename", "split"])
    assert photos.loc[photos["split"] == "test", "filename"].tolist() == ["05.png", "19.png"]
    assert "one photo in test and one in train or val: 1" in capsys.readouterr().out


@pytest.mark.parametrize(("fold", "photos"), [("1/4", {"train", "val", "test"}), ("1/4 of all", {"train", "val"})])
def test_a_fold_is_val_and_test_stays_or_is_divided(project, monkeypatch, capsys, fold, photos):
    configure(monkeypatch, fold=fold)
    split.main()
    table = csv_tables.read(paths.SPLIT / "photos.csv", ["filename", "split"])
    assert set(table["split"]) == photos and len(table) == 20
    assert boxes.read_labels(paths.SPLIT / "test.csv").empty == ("test" not in photos)
    assert "test has no box" not in capsys.readouterr().out


def test_unlabelled_photos_have_a_table_that_is_hashed_with_the_others(project, monkeypatch, capsys):
    folder = paths.UNLABELLED / "more"
    folder.mkdir(parents=True)
    Image.effect_noise((64, 64), 90).save(folder / "new.png")
    (folder / "00.png").write_bytes((paths.photos("shop") / "00.png").read_bytes())
    (paths.lists("shop") / "test.csv").write_text("filename\n00.png\n05.png\n", encoding="utf-8")
    configure(monkeypatch, unlabelled="more", test_list="test.csv")
    split.main()
    table = csv_tables.read(paths.UNLABELLED_TABLE, ["filename", "use", "other"])
    assert table.to_numpy().tolist() == [["00.png", "left out", "00.png"], ["new.png", "used", ""]]
    assert b"unlabelled.csv" in outputs()["md5.json"]
    assert (
        "unlabelled photos: 1 of 2 used; left out: near duplicate of one in test: same file 1"
        in capsys.readouterr().out
    )
