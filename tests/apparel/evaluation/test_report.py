import io
import json
import re
from html import unescape
from types import SimpleNamespace

import pandas as pd
import pytest
from PIL import Image

from apparel import paths
from apparel.cli import results as command
from apparel.errors import UserError
from apparel.evaluation import evaluate, metrics, report
from tests.support import chromium
from tests.support.box_tables import LEFT, RIGHT, detection_table, photo_table, truth_table

CLASSES = ["Dresses", "Tops <b>&"]
NAMES = ["a.jpg", '"><script>alert(1)</script>.jpg', "c d.jpg", "-rf.jpg"]
PARAMS = {
    "data.name": "demo",
    "train.detector": "ssd",
    "train.resolution": 128,
    "train.checkpoint": "none",
    "split.test_list": None,
}


def split(name, thresholds=None):
    ground_truth = truth_table(*((photo, CLASSES[1], LEFT) for photo in NAMES[:3]))
    detections = detection_table(
        (NAMES[0], CLASSES[1], 0.9, LEFT), (NAMES[1], CLASSES[0], 0.8, LEFT), (NAMES[3], CLASSES[1], 0.7, RIGHT)
    )
    tables = SimpleNamespace(photos=photo_table(NAMES), ground_truth=ground_truth, detections=detections)
    return evaluate.measure_split(tables, name, CLASSES, 100, thresholds)


def encoded():
    buffer = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").save(buffer, "PNG")
    return dict.fromkeys(NAMES, buffer.getvalue())


def write():
    val = split("val", dict.fromkeys(CLASSES, 0.5))
    test = split("test", val.thresholds)
    report.write_tables(test, val, dict.fromkeys(NAMES, "0" * 64))
    groups = report.write_pictures(test, encoded(), evaluate.select_photos(test, 2))
    report.write_page(test, val, groups, PARAMS)
    return test


@pytest.fixture
def written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return write()


def test_files_agree_with_what_was_measured(written):
    headline = json.loads(paths.METRICS.read_text(encoding="utf-8"))
    assert headline.keys() == {"test"}
    assert headline["test"]["mAP50"] == pytest.approx(1 / 3, abs=1e-6)
    assert headline["test"]["AP50"] == {"Dresses": None, CLASSES[1]: pytest.approx(1 / 3, abs=1e-6)}
    table = report.read_per_class()
    assert table["split"].tolist() == ["test"] * 3 + ["val"] * 3
    assert table.loc[table["class"] == "Dresses", "AP50"].isna().all()
    detections = pd.read_csv(paths.DETECTIONS)
    assert len(detections) == 3 and (detections["verdict"] == metrics.TRUE_POSITIVE).sum() == 1
    pairs = pd.read_csv(paths.CONFUSION)
    assert sorted(map(tuple, pairs.to_numpy())) == [
        ("Tops <b>&", "Dresses"),
        ("Tops <b>&", "Tops <b>&"),
        ("Tops <b>&", "background"),
        ("background", "Tops <b>&"),
    ]


def test_same_bytes_twice_and_no_file_beyond_those_in_paths(written):
    def content():
        files = sorted(path for path in paths.EVAL.rglob("*") if path.is_file())
        return {path: path.read_bytes() for path in files}

    first = content()
    write()
    assert content() == first
    assert {path for path in first if path.parent != paths.EVAL_PICTURES} == set(paths.EVAL_FILES)
    assert all(re.fullmatch(r"[\w-]+\.(jpg|svg)", path.name) for path in first if path.parent == paths.EVAL_PICTURES)


def test_page_loads_nothing_from_a_network_and_escapes_names(written):
    page = paths.EVAL_PAGE.read_text(encoding="utf-8")
    assert not re.findall(r"(?:src|href)=\"(?!data:)", page)
    assert "<script" not in page and "<b>" not in page
    assert NAMES[1] in unescape(page)
    assert str(paths.EVAL.resolve()) not in page


def test_page_shows_the_table_in_a_browser(written, tmp_path):
    page = chromium.dom(paths.EVAL_PAGE, tmp_path / "profile")
    assert page.count("0.333") >= 3
    assert page.count("<img") == 2 + 4  # two plots; four photos


def test_command_prints_the_table_and_the_page(written, capsys):
    command.main(None)
    printed = capsys.readouterr().out
    rows = {line.split()[0]: line.split() for line in printed.splitlines()}
    assert rows["Dresses"][1:3] == ["0", "-"]
    assert rows["all"][2:4] == ["3", "0.333"]
    assert "4 test photos" in printed and "data/results/eval/index.html" in printed


def test_missing_and_damaged_results_are_errors(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="dvc repro"):
        report.read_per_class()
    paths.PER_CLASS.parent.mkdir(parents=True)
    paths.PER_CLASS.write_text("nonsense\n1\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"per_class\.csv"):
        report.read_per_class()
    header = ",".join(report.PER_CLASS_COLUMNS)
    for damage in (header, header + "\n" + ",".join(["test", "Tops", *["?"] * 19])):
        paths.PER_CLASS.write_text(damage + "\n", encoding="utf-8")
        with pytest.raises(UserError, match=r"per_class\.csv"):
            command.main(None)
