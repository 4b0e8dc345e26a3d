import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from apparel import boxes, params, paths
from apparel.analysis import inspect_data, inspect_page
from apparel.errors import UserError
from apparel.utils import csv_tables
from tests.support import flawed_data_set


@pytest.fixture
def shop(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    flawed_data_set.make(tmp_path)
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
    assert inspection.pairs.to_numpy().tolist() == [["a.png", "copy.png", "same file"]]
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
    text = re.sub(r"(?s)ssd_anchor_generator \{.*?\n      \}", "grid_anchor_generator { }", config.read_text())
    config.write_text(text)
    inspection = inspect()
    assert inspection.anchors is None and inspection.boxes["best_iou"].isna().all()
    assert "of another kind than those" in inspect_page.terminal_text(
        inspection
    ) and "<svg" in inspect_page.render_page(inspection)
    assert "nan" not in inspect_page.terminal_text(inspection)
    with pytest.raises(UserError, match="not found; import the data set"):
        inspect_data.inspect("other", params.load())


def test_anchors_that_cannot_be_made_are_refused_by_their_field(shop):
    config = Path("configs/ssd_mobilenet_v1.config")
    config.write_text(
        re.sub(r"(?s)ssd_anchor_generator \{.*?\n      \}", "multiscale_anchor_generator { }", config.read_text())
    )
    with pytest.raises(UserError, match=r"^configs/ssd_mobilenet_v1\.config: multiscale_anchor_generator has no as"):
        inspect()


def test_the_threshold_is_that_of_the_pipeline_file(shop):
    config = Path("configs/ssd_mobilenet_v1.config")
    config.write_text(re.sub(r"(matched_threshold:) .*", r"\1 0.01", config.read_text()))
    inspection = inspect()
    assert (inspection.classes["reached"] == 1).all() and "IoU ≥ 0.01" in inspect_page.terminal_text(inspection)
    assert "it is 0.01 or more" in inspect_page.render_page(inspection)
