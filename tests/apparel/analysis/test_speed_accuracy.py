"""Speed and accuracy of models and their exports."""

import math
from pathlib import Path

import pytest
from PIL import Image

from apparel import paths
from apparel.analysis import speed_accuracy
from apparel.analysis.exported_models import Choice, Model
from apparel.errors import UserError
from apparel.inference import speed_record
from apparel.inference.speed import Speed
from tests.support import exported_formats
from tests.support.repository import ROOT


def choice(ms: float, map50: float, result: str = "six", photos: str = "", processor: str = "") -> Choice:
    return Choice(result, "tflite", "TensorFlow Lite", map50, 1, photos, ms=ms, processor=processor)


@pytest.mark.parametrize(
    ("points", "front"),
    [
        ([(4, 0.5), (3, 0.4), (5, 0.45)], [1, 0]),
        ([(4, 0.5), (4, 0.6)], [1]),  # as fast, more accurate
        ([(4, 0.5), (3, 0.5)], [1]),  # as accurate, faster
        ([(4, 0.5), (4, 0.5)], [0]),  # equal: one stands for both
        ([(math.nan, 0.9), (4, math.nan), (7, 0.1)], [2]),
        ([], []),
    ],
)
def test_the_front_is_what_nothing_beats(points, front) -> None:
    assert speed_accuracy.pareto_front([choice(*point) for point in points]) == front


def test_the_table_is_sorted_by_speed() -> None:
    table = speed_accuracy.table([choice(4, 0.5, "a"), choice(math.nan, 0.6, "b"), choice(3, 0.4, "c")])
    assert table["result"].tolist() == ["c", "a", "b"]
    assert table["front"].tolist() == [True, True, False]


def test_what_cannot_be_compared_is_said() -> None:
    same = [choice(1, 0.5, "a", "p", "cpu"), choice(1, 0.5, "b", "p", "cpu")]
    assert list(speed_accuracy.notes(same)) == []
    differing = [*same, choice(1, math.nan, "c", "q", "other cpu")]
    photos, processors, accuracy = speed_accuracy.notes(differing)
    assert photos.startswith("c: on other test photos than a")
    assert "different processors" in processors and "c, tflite" in accuracy


@pytest.fixture
def model(tmp_path) -> Model:
    names = [(figures.format, figures.runtime) for figures in exported_formats.formats()]
    choices = [Choice("six", name, runtime, 0.5, 1, "") for name, runtime in names]
    return Model("six", exported_formats.MODEL, choices, [Path(name) for name, _ in names])


def test_every_format_is_timed_with_its_runtime(model, monkeypatch) -> None:
    def measure(candidates, photos, threads, failed):
        assert (photos, threads) == ([b"photo"], 1)
        assert {name: candidate.runtime for name, candidate in candidates.items()} == {
            "six, trained model": None,
            "six, tflite": None,
            "six, tflite_int8": None,
            "six, onnx on ONNX Runtime": "ONNX Runtime",
            "six, onnx on OpenVINO": "OpenVINO",
        }
        failed.append("OpenVINO is not installed")
        return {name: Speed("r", "ssd", 300, 200, 1, {"one": [[0.002]]}, 7) for name in list(candidates)[:4]}

    monkeypatch.setattr(speed_accuracy.speed, "measure", measure)
    timed, failed = speed_accuracy.measure([model], [b"photo"], 1)
    assert [(each.ms, each.width, each.height, each.memory) for each in timed] == [(2, 300, 200, 7)] * 4
    assert failed == ["OpenVINO is not installed"]


def test_recorded_speed_is_that_of_the_model_with_this_hash(model, monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(speed_record, "FOLDER", tmp_path)
    exported_formats.speed_record().write()
    choices, missing = speed_accuracy.recorded([model], lambda: pytest.fail("MLflow is not needed"), None)
    assert [each.ms for each in choices] == [13, 4, 2, 5, 3] and missing == []
    assert {each.processor for each in choices} == {"A processor, 2 cores"}
    on_one, _ = speed_accuracy.recorded([model], lambda: pytest.fail("MLflow is not needed"), 1)
    assert [each.ms for each in on_one] == [26, 8, 4, 10, 6]
    with pytest.raises(UserError, match="can only be 1"):
        speed_accuracy.recorded([model], lambda: None, 2)


def test_a_record_may_come_from_mlflow_or_be_missing(model, monkeypatch, tmp_path) -> None:
    import json

    from apparel.tracking.reader import StoredRun

    monkeypatch.setattr(speed_record, "FOLDER", tmp_path / "none")
    file = tmp_path / "speed.json"
    file.write_text(json.dumps(exported_formats.speed_record().to_json()), encoding="utf-8")

    runs = [StoredRun("1" * 32, "six", "FINISHED", {}, {}, {}, {})]

    class Reader:
        def tagged(self, **tags):
            assert exported_formats.MODEL in tags.values()
            return runs

        def fetch(self, run, path, folder):
            assert (run, path) == ("1" * 32, "export/speed.json")
            return file

    choices, _ = speed_accuracy.recorded([model], Reader, None)
    assert [each.ms for each in choices] == [13, 4, 2, 5, 3]
    runs.clear()
    with pytest.raises(UserError, match="no speed recorded for six, trained model; six, tflite"):
        speed_accuracy.recorded([model], Reader, None)


def test_photos_are_those_that_can_be_decoded(tmp_path, monkeypatch) -> None:
    (tmp_path / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="no photos in data/demo/photos"):
        speed_accuracy.photos()
    folder = paths.photos("demo")
    folder.mkdir(parents=True)
    for number in range(3):
        Image.new("RGB", (20, 20), (number, 0, 0)).save(folder / f"{number}.png")
    (folder / "broken.png").write_bytes(b"no photo")
    assert [len(photo) > 0 for photo in speed_accuracy.photos()] == [True] * 3
    for number in range(3, 100):
        Image.new("RGB", (20, 20), (number, 0, 0)).save(folder / f"{number}.png")
    assert len(set(speed_accuracy.photos())) in (speed_accuracy.PHOTOS, speed_accuracy.PHOTOS - 1)  # or the broken one
