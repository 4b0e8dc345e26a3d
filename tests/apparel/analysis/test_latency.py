"""Latency of models in turn: each is asked as often as the others, one after the other."""

import itertools
import time
from types import SimpleNamespace

from apparel.analysis import latency
from apparel.inference import networks


def test_models_take_turns_and_the_10th_percentile_counts(monkeypatch):
    calls, clock = [], itertools.count()

    def load(folder):
        return SimpleNamespace(prepare=lambda photo: photo, detect=lambda images: calls.append((folder, images.shape)))

    monkeypatch.setattr(networks, "load", load)
    monkeypatch.setattr(latency.time, "perf_counter", lambda: float(next(clock)))
    assert latency.measure_in_turn(["first", "second"]) == [1000.0, 1000.0]
    warm, timed = calls[:2], calls[2:]
    assert [folder for folder, _ in warm] == ["first", "second"]
    assert [folder for folder, _ in timed] == ["first", "second", "second", "first"] * (latency.ROUNDS // 2)
    assert {shape for _, shape in calls} == {(1, 320, 320, 3)}
    assert time is latency.time
