"""Recorded speed of a model and its exports."""

import json
import math
from dataclasses import replace

import pytest

from apparel.errors import UserError
from apparel.inference import speed_record
from apparel.inference.speed import Speed
from tests.support import exported_formats


def test_a_record_is_read_back_by_the_hash_of_its_model(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(speed_record, "FOLDER", tmp_path / "speed")
    record = exported_formats.speed_record()
    without_batches = replace(record.all_cores["tflite"], ms=record.all_cores["tflite"].ms | {"batch": math.nan})
    record = replace(record, all_cores=record.all_cores | {"tflite": without_batches})
    assert speed_record.read(record.model) is None
    written = record.write()
    assert "NaN" not in written.read_text(encoding="utf-8")
    read = speed_record.read(record.model)
    assert math.isnan(read.all_cores["tflite"].ms.pop("batch")) and math.isnan(without_batches.ms.pop("batch"))
    assert read == record


@pytest.mark.parametrize("content", [b"", b"[]", b'{"model": "x"}', b'{"model": 1, "processor": 2, "all_cores": 3}'])
def test_a_damaged_record_is_an_error(content: bytes) -> None:
    with pytest.raises(UserError, match=r"a\.json is damaged"):
        speed_record.from_json(content, "a.json")


def test_medians_of_all_calls_are_recorded() -> None:
    seconds = {"one": [[0.004, 0.1], [0.002, 0.003, 0.002]], "decode": [[0.001]]}
    speed = Speed("TensorFlow Lite", "ssd", 300, 200, threads=2, seconds=seconds, memory=1000)
    record = speed_record.of_speeds("hash", {"tflite": speed}, {})
    tflite = json.loads(json.dumps(record.to_json()))["all_cores"]["tflite"]
    assert tflite == {
        "detector": "ssd", "width": 300, "height": 200, "threads": 2, "memory": 1000,
        "one_ms": 3.0, "batch_ms": None, "decode_ms": 1.0, "whole_ms": None,
    }  # fmt: skip


def test_formats_are_recorded_one_after_the_other(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(speed_record, "FOLDER", tmp_path)
    record = exported_formats.speed_record()
    names = list(record.all_cores)
    first, second = ({name: record.all_cores[name] for name in part} for part in (names[:2], names[1:]))
    replace(record, all_cores=first, one_core=first).write()
    replace(record, all_cores=second, one_core=second).write()
    assert list(speed_record.read(record.model).all_cores) == names
    replace(record, processor="Another", all_cores=first, one_core=first).write()
    assert list(speed_record.read(record.model).one_core) == names[:2]  # figures of two machines are not mixed
    (tmp_path / record.model / "speed.json").write_text("damaged", encoding="utf-8")
    record.write()
    assert speed_record.read(record.model) == record


def test_mlflow_gets_the_time_of_a_photo() -> None:
    values = exported_formats.speed_record().headline_metrics()
    assert values["export/tflite/ms_per_photo"] == 4 and len(values) == 5
