"""The benchmark of exported formats."""

from pathlib import Path

from apparel.inference.speed import Candidate, Speed
from benchmarks import export


def timed(ms: tuple[float, float], **more: list[list[float]]) -> Speed:
    seconds = {"one": [[milliseconds / 1000] for milliseconds in ms], "whole": [[0.02]], "processor": [[0.002]]} | more
    return Speed("Runtime", "ssd", 300, 300, 2, seconds, 100_000_000)


def test_each_format_has_its_ratio_to_tensorflow(monkeypatch) -> None:
    on_all = {"trained model": timed((12, 8), batch=[[0.006]]), "tflite": timed((3, 4))}
    on_one = {"trained model": timed((20, 20)), "tflite": timed((5, 10))}
    asked = []

    def measure(candidates, photos, threads=None, rounds=5):
        asked.append((list(candidates), photos, threads, rounds))
        return on_one if threads else on_all

    candidates = {name: Candidate(Path(__file__)) for name in on_all}
    monkeypatch.setattr(export.speed_accuracy, "photos", lambda: [b"photo"])
    monkeypatch.setattr(export, "_export", lambda folder, photos: (candidates, "random weights", []))
    monkeypatch.setattr(export.speed, "measure", measure)
    tflite, on_one_core = export.measure(rounds=2)
    assert asked == [(list(on_all), [b"photo"], None, 2), (list(on_all), [b"photo"], 1, 2)]
    assert tflite.what == "tflite, all cores" and tflite.ratio() == "3.00 (2.00 to 4.00)"
    assert (
        "300 x 300 pixels" in tflite.work and "random weights" in tflite.work and "with decoding 20.0 ms" in tflite.work
    )
    assert "3.5 ms a photo (2.0 of the processor), with decoding" in tflite.work
    assert on_one_core.what == "tflite, one core" and on_one_core.ratio() == "3.00 (2.00 to 4.00)"
    assert on_one_core.cells()[1:3] == ["133.3 photos/s", "TensorFlow: 50 photos/s"]
