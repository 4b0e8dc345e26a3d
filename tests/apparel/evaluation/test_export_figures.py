"""Figures of exported formats: their limits, and `export.json`."""

import json
import math
from dataclasses import replace

import pandas as pd
import pytest

from apparel.errors import UserError
from apparel.evaluation import export_figures
from tests.support import exported_formats
from tests.support.exported_formats import format_figures


@pytest.mark.parametrize(
    ("name", "val", "test"),
    [("tflite", 0.504, 0.496), ("onnx", 0.5, 0.5), ("tflite_int8", 0.481, 0.519), ("tflite", math.nan, 0.5)],
)
def test_formats_within_their_limits_pass(name: str, val: float, test: float) -> None:
    export_figures.check_limits([format_figures("trained model"), format_figures(name, val, test)])


@pytest.mark.parametrize(
    ("name", "val", "test", "split", "found", "limit"),
    [
        ("tflite", 0.494, 0.5, "val", "0.4940", "0.005"),
        ("saved_model", 0.5, 0.506, "test", "0.5060", "0.005"),
        ("tflite_int8", 0.5, 0.479, "test", "0.4790", "0.02"),
    ],
)
def test_a_format_beyond_its_limit_is_an_error_with_its_numbers(name, val, test, split, found, limit) -> None:
    with pytest.raises(UserError) as raised:
        export_figures.check_limits([format_figures("onnx"), format_figures(name, val, test)])
    message = str(raised.value)
    assert f"{name} has mAP50 {found} on {split}, the trained model 0.5000" in message
    assert f"of which {limit} is allowed" in message
    assert f"take {name} out of export.formats" in message
    assert "onnx" not in message
    assert ("calibrate" in message) == name.endswith("int8")


def test_each_runtime_of_a_format_has_a_name() -> None:
    names = [figures.name for figures in exported_formats.formats()]
    assert names == ["trained model", "tflite", "tflite_int8", "onnx on ONNX Runtime", "onnx on OpenVINO"]


def test_figures_survive_a_file() -> None:
    figures = format_figures("tflite", test=0.501)
    undefined = figures.splits["test"].table.copy()
    undefined.iloc[0] = math.nan
    lost = replace(figures.splits["test"], table=undefined, largest_score=math.nan)
    figures = replace(figures, splits=figures.splits | {"test": lost})
    content = json.dumps(export_figures.to_json([figures], exported_formats.MODEL), allow_nan=False).encode()
    model, (read,) = export_figures.read_json(content, "export.json")
    assert model == exported_formats.MODEL
    assert [read.format, read.runtime, read.file, read.size] == ["tflite", "TensorFlow Lite", "tflite.tflite", 4700000]
    for split, of_split in figures.splits.items():
        pd.testing.assert_frame_equal(read.splits[split].table, of_split.table)
        assert read.splits[split].compared == 50 and read.splits[split].lost == 1
    assert math.isnan(read.splits["test"].largest_score) and read.splits["val"].largest_score == 0.00012


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", b'{"model": "x", "formats": [{}]}', b'{"model": "x", "formats": 3}', b"[" * 100_000, b"\xff"],
)
def test_a_damaged_file_is_an_error(content: bytes) -> None:
    with pytest.raises(UserError, match=r"export\.json of six is damaged"):
        export_figures.read_json(content, "export.json of six")


def test_mlflow_gets_few_metrics_of_each_export() -> None:
    values = export_figures.headline_metrics(exported_formats.formats())
    assert values["export/tflite/mAP50"] == 0.501 and values["export/tflite/difference"] == pytest.approx(0.001)
    assert len(values) == 8 and not any("trained" in name for name in values)
