import re
import shutil
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from apparel import boxes, params, paths
from apparel.analysis import inspect_data, inspect_page
from apparel.errors import UserError
from apparel.utils import csv_tables
from tests.support import chromium
from tests.support.repository import ROOT

HOSTILE = "<img src=x onerror=alert(1)> & {{ 7*7 }}.png"


def annotate(name, *objects, size=(64, 64)):
    """Writes an annotation; an object is a class and corners."""
    found = "".join(
        f"<object><name>{escape(label)}</name><bndbox><xmin>{box[0]}</xmin><ymin>{box[1]}</ymin>"
        f"<xmax>{box[2]}</xmax><ymax>{box[3]}</ymax></bndbox></object>"
        for label, box in objects
    )
    size = "<size><width>{}</width><height>{}</height></size>".format(*size)
    text = f"<annotation><filename>{escape(name)}</filename>{size}{found}</annotation>"
    (paths.annotations("shop") / f"{len(list(paths.annotations('shop').iterdir()))}.xml").write_text(text, "utf-8")


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """Five photos of noise: two identical, one without boxes, one damaged; a missing photo; overlapping lists."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    shutil.copytree(ROOT / "configs", tmp_path / "configs")
    for folder in (paths.photos("shop"), paths.annotations("shop"), paths.lists("shop")):
        folder.mkdir(parents=True)
    for name in ("a.png", "empty.png", "damaged.png", HOSTILE):
        Image.effect_noise((64, 64), 90).save(paths.photos("shop") / name)
    shutil.copy(paths.photos("shop") / "a.png", paths.photos("shop") / "copy.png")
    damaged = paths.photos("shop") / "damaged.png"
    damaged.write_bytes(damaged.read_bytes()[:1000])
    annotate("a.png", ("Tops", (0, 0, 32, 16)), ("Tops", (0, 0, 64, 64)))
    annotate("copy.png", ("<b>Tops", (0, 0, 64, 2)), size=(128, 128))
    annotate(HOSTILE, ("Tops", (8, 8, 24, 40)))
    annotate("empty.png")
    annotate("damaged.png")
    annotate("gone.png", ("Tops", (0, 0, 9, 9)))
    (paths.lists("shop") / "train.csv").write_text("filename\na.png\ngone.png\nempty.png\n", encoding="utf-8")
    (paths.lists("shop") / "test.csv").write_text("filename\ncopy.png\nempty.png\n", encoding="utf-8")
    (paths.lists("shop") / "summary.csv").write_text("class,count\nTops,4\n", encoding="utf-8")
    (paths.lists("shop") / "predefined_classes.txt").write_text("Tops\n", encoding="utf-8")
    return tmp_path


def inspect():
    return inspect_data.inspect("shop", params.load())


def test_duplicates_damaged_and_missing_photos_are_listed(shop):
    inspection = inspect()
    assert inspection.converted.report["dropped"]["photo is missing"]["count"] == 1
    assert inspection.converted.report["photos_without_boxes"] == 2
    assert any("size" in reason for reason in inspection.converted.report["repaired"])
    assert (
        list(inspection.unreadable) == ["damaged.png"]
        and str(paths.photos("shop")) not in inspection.unreadable["damaged.png"]
    )
    assert inspection.pairs[["first", "second", "exact"]].to_numpy().tolist() == [["a.png", "copy.png", True]]
    (division,) = inspection.divisions
    assert division.source == "lists/train.csv and test.csv"
    assert len(division.straddling) == 1 and division.in_several == ["empty.png"]
    assert inspection.missing_photos == {"train.csv": ["gone.png"]}


def test_boxes_are_measured_against_photos_and_anchors(shop):
    inspection = inspect()
    small = inspection.boxes[inspection.boxes["xmax"] == 32].iloc[0]
    assert (small["relative_width"], small["relative_height"], small["share"], small["aspect"]) == (0.5, 0.25, 0.125, 2)
    assert ((inspection.boxes["best_iou"] > 0) & (inspection.boxes["best_iou"] <= 1)).all()
    assert inspection.classes.loc["Tops", ["photos", "boxes"]].tolist() == [2, 3]
    assert inspection.classes.loc["all", "boxes"] == 4 and inspection.classes.loc["<b>Tops", "reached"] == 0
    assert inspection.classes.loc["Tops", "aspect"] == np.median([2, 1, 0.5])


def test_the_split_of_the_stage_is_inspected_if_it_is_of_these_photos(shop):
    rows = [("a.png", 64, 64, "train"), ("copy.png", 64, 64, "test")]
    table = pd.DataFrame(rows, columns=[*boxes.PHOTO_COLUMNS, "split"])
    csv_tables.write(table, paths.SPLIT / "photos.csv")
    division = inspect().divisions[0]
    assert division.source == "data/results/split" and len(division.straddling) == 1
    csv_tables.write(table.replace("a.png", "of another data set.png"), paths.SPLIT / "photos.csv")
    assert [division.source for division in inspect().divisions] == ["lists/train.csv and test.csv"]


def test_other_anchors_and_a_missing_data_set(shop):
    config = Path("configs/ssd_mobilenet_v1.config")
    text = re.sub(r"(?s)ssd_anchor_generator \{.*?\n      \}", "multiscale_anchor_generator { }", config.read_text())
    config.write_text(text)
    inspection = inspect()
    assert inspection.anchors is None and inspection.boxes["best_iou"].isna().all()
    assert "not plain SSD anchors" in inspect_page.terminal_text(inspection) and "<svg" in inspect_page.render_page(
        inspection
    )
    assert "nan" not in inspect_page.terminal_text(inspection)
    with pytest.raises(UserError, match="not found; import the data set"):
        inspect_data.inspect("other", params.load())


def test_the_threshold_is_that_of_the_pipeline_file(shop):
    config = Path("configs/ssd_mobilenet_v1.config")
    config.write_text(re.sub(r"(matched_threshold:) .*", r"\1 0.01", config.read_text()))
    inspection = inspect()
    assert (inspection.classes["reached"] == 1).all() and "IoU ≥ 0.01" in inspect_page.terminal_text(inspection)
    assert "it is 0.01 or more" in inspect_page.render_page(inspection)


def test_the_terminal_has_all_findings(shop):
    text = inspect_page.terminal_text(inspect())
    for line in (
        "photos that cannot be decoded: 1 (damaged.png)",
        "photos in lists/train.csv that are missing: 1 (gone.png)",
        "pairs of near duplicates: 1, byte for byte the same: 1",
        "pairs that straddle train and test in lists/train.csv and test.csv: 1",
        "photos in both train and test of lists/train.csv and test.csv: 1 (empty.png)",
        "photo is missing",
    ):
        assert line in text


def test_the_page_needs_no_other_file_and_believes_no_name(shop):
    page = inspect_page.render_page(inspect())
    sources = re.findall(r'(?:src|href|url)\s*[=(]\s*"?([^"\s>)]*)', page.replace("src=x", ""))
    assert len(sources) >= 8 and all(source.startswith("data:image/jpeg;base64,") for source in sources)
    assert "<img src=x" not in page and "<b>" not in page and "&lt;b&gt;Tops" in page
    assert "{{ 7*7 }}" in page.replace("&#39;", "'")
    assert page == inspect_page.render_page(inspect())


def test_a_browser_shows_the_page_without_a_network(shop):
    page = shop / "page.html"
    page.write_text(inspect_page.render_page(inspect()), encoding="utf-8")
    shown = chromium.dom(page, shop / "profile")
    assert "Data set shop" in shown and shown.count("<circle") == 4 and shown.count("<figure") >= 5
