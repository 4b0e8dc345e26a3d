"""The stage eval on real TFRecords, with synthetic detections."""

import json
from contextlib import nullcontext
from types import SimpleNamespace

import pandas as pd
import pytest

from apparel import boxes, params, paths
from apparel.data import shards
from apparel.errors import UserError
from apparel.evaluation import evaluate, report
from apparel.inference import split_detections
from apparel.inference.split_detections import ScoredSplit
from apparel.models import detector
from apparel.models.tfod import determinism
from apparel.models.thresholds import default_thresholds
from apparel.tracking import runs
from apparel.utils import csv_tables
from stages import eval as stage
from tests.support import photo_files
from tests.support.repository import ROOT
from tests.support.small_eval import HISTORY

CLASSES = params.load(ROOT / "params.yaml").data.classes
COLUMNS = ["filename", "class", "score", *boxes.CORNERS]
PHOTOS = {"val": ["1.jpg", "2.jpg"], "test": ["3.jpg", "4.jpg", "5.jpg"]}


class Recorder:
    """Stands in for the MLflow run, which has tests of its own."""

    def __init__(self):
        self.values, self.files, self.description = {}, [], None

    def describe(self, text, picture=None):
        assert picture in self.files
        self.description = text

    def log_metrics(self, values, step=0):
        self.values |= values

    def log_file(self, path, folder=""):
        assert path.is_file()
        self.files.append(f"{folder}/{path.name}")

    def log_image(self, picture, key, step):
        self.files.append(f"images/{key} {step}")

    def log_folder(self, path, folder):
        self.files += [f"{folder}/{file.name}" for file in path.iterdir()]


def photo_table(names):
    return pd.DataFrame([(name, *photo_files.SIZE) for name in names], columns=boxes.PHOTO_COLUMNS)


def labels(names):
    """One box a photo, none on 5.jpg."""
    rows = [(name, *photo_files.SIZE, "Tops", *map(float, photo_files.BOX)) for name in names if name != "5.jpg"]
    return pd.DataFrame(rows, columns=boxes.LABEL_COLUMNS)


def detected(model, index, split, with_loss=False):
    """Detections of all boxes but that of 4.jpg, and a false one on 5.jpg, which has no box."""
    truth = labels(PHOTOS[split]).assign(difficult=False)
    extra = pd.DataFrame([("5.jpg", "Skirts", 0.9, 0.0, 0.0, 30.0, 30.0)] * (split == "test"), columns=COLUMNS)
    detections = pd.concat([truth[truth["filename"] != "4.jpg"].assign(score=0.75)[COLUMNS], extra], ignore_index=True)
    return ScoredSplit(photo_table(PHOTOS[split]), truth, detections, loss=1.0, seconds_per_photo=0.05)


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    packed = {}
    for split, names in PHOTOS.items():
        for name in names:
            photo_files.garment().save(tmp_path / name)
        packed[split] = shards.gather(tmp_path, photo_table(names), labels(names), labels([]), CLASSES)
    shards.write_shards(packed, CLASSES, 2, paths.TFRECORD)
    csv_tables.write(HISTORY, paths.HISTORY)
    default_thresholds(CLASSES).write(paths.MODEL)
    recorder = Recorder()
    monkeypatch.setattr(determinism, "enable", lambda seed: None)  # for the rest of the process
    monkeypatch.setattr(detector, "load_detector", lambda folder: SimpleNamespace(classes=CLASSES))
    monkeypatch.setattr(split_detections, "detect_split", detected)
    monkeypatch.setattr(runs, "run_of_model", lambda model, config: nullcontext(recorder))
    return recorder


def test_what_it_writes_prints_and_tells_mlflow(run, capsys):
    stage.main()
    measured = json.loads(paths.METRICS.read_text(encoding="utf-8"))
    table = report.read_per_class().set_index(["split", "class"])
    assert table.loc[("val", "Tops"), "AP50"] == 1.0
    assert measured["test"]["AP50"]["Tops"] == 0.5
    assert (measured["test"]["photos"], measured["test"]["boxes"]) == (3, 2)
    assert all(path.is_file() for path in paths.EVAL_FILES)
    assert run.values["test/AP50/Tops"] == 0.5
    assert run.values["test/seconds_per_photo"] == 0.05
    # Val's learning curves are train's.
    assert [name for name in run.values if not name.startswith("test/")] == [evaluate.FIRST_METRIC]
    assert run.values[evaluate.FIRST_METRIC] == run.values["test/mAP50"]
    assert min(run.values) == evaluate.FIRST_METRIC  # as MLflow sorts them
    assert run.description.startswith("**mAP50 ") and "| Tops | " in run.description
    assert len(run.values) <= len(evaluate.HEADLINE) + len(CLASSES) + 2
    assert "eval/per_class.csv" in run.files
    assert {"eval/metrics.json", "eval/index.html", "pictures/pr_curve.svg", "pictures/worst-01.jpg"} <= set(run.files)
    assert [name for name in run.files if name.startswith("images/")] == [
        f"images/detections on test {n}" for n in range(3)
    ]
    printed = capsys.readouterr().out
    assert "50.0 ms a photo" in printed and "20 photos/s" in printed
    assert "0.050" not in paths.METRICS.read_text(encoding="utf-8")


def test_same_bytes_whatever_was_there_before(run):
    stage.main()
    first = {path: path.read_bytes() for path in paths.EVAL.rglob("*") if path.is_file()}
    (paths.EVAL_PICTURES / "worst-99.jpg").write_bytes(b"of an earlier run")
    stage.main()
    assert {path: path.read_bytes() for path in paths.EVAL.rglob("*") if path.is_file()} == first


def test_a_photo_that_was_not_scored_stops_it_before_anything_is_written(run, monkeypatch):
    def lossy(model, index, split, with_loss):
        whole = detected(model, index, split)
        return SimpleNamespace(**vars(whole) | {"photos": whole.photos.iloc[1:]})

    monkeypatch.setattr(split_detections, "detect_split", lossy)
    with pytest.raises(UserError, match="val has 2 photos, but 1 were scored"):
        stage.main()
    assert not paths.EVAL.exists()


def test_a_fold_is_judged_on_val_and_test_is_not_looked_at(run, monkeypatch, capsys):
    text = (ROOT / "params.yaml").read_text(encoding="utf-8").replace("fold: null", "fold: 1/2")
    paths.PARAMS.write_text(text, encoding="utf-8")
    asked = []
    monkeypatch.setattr(
        split_detections, "detect_split", lambda *given, **_: asked.append(given[2]) or detected(*given)
    )
    stage.main()
    assert asked == ["val"]
    assert json.loads(paths.METRICS.read_text(encoding="utf-8")).keys() == {"val"}
    assert set(pd.read_csv(paths.DETECTIONS)["filename"]) == set(PHOTOS["val"])
    assert set(report.read_per_class()["split"]) == set(pd.read_csv(paths.ERROR_TYPES)["split"]) == {"val"}
    # Neither test's name, nor that of val's learning curves.
    assert {name.partition("/")[0] for name in run.values} == {"fold"}
    assert run.values["fold/AP50/Tops"] == 1.0
    page = paths.EVAL_PAGE.read_text(encoding="utf-8")
    assert "2 val photos" in capsys.readouterr().out and "2 val photos" in page and "on test" not in page
