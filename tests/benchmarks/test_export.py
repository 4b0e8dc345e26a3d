"""The benchmark of exported formats."""

from pathlib import Path

from apparel.inference.speed import Candidate, Speed
from benchmarks import export


def timed(ms: tuple[float, float], **more: list[list[float]]) -> Speed:
    seconds = {"one": [[milliseconds / 1000] for milliseconds in ms], "whole": [[0.02]]} | more
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
    monkeypatch.setattr(export, "_export", lambda folder, photos: (candidates, ["weights: random"]))
    monkeypatch.setattr(export.speed, "measure", measure)
    lines = export.measure(rounds=2).splitlines()
    assert asked == [(list(on_all), [b"photo"], None, 2), (list(on_all), [b"photo"], 1, 2)]
    assert lines[-1] == "weights: random" and "300 x 300 pixels" in lines[0]
    trained, tflite = (" ".join(line.split()) for line in lines[2:4])
    assert trained == "trained model Runtime 10.0 1.0 (1.0 to 1.0) 6.0 20.0 20.0 1.0 (1.0 to 1.0) 0.0 100.0"
    assert tflite == "tflite Runtime 3.5 3.0 (2.0 to 4.0) - 20.0 7.5 3.0 (2.0 to 4.0) 0.0 100.0"
