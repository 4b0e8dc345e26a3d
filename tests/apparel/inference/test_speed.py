"""Timing of detectors in turn, each in a process of its own."""

import io
import math
import os
from pathlib import Path

import pytest
from PIL import Image

from apparel.errors import UserError
from apparel.inference import speed
from apparel.inference.speed import Candidate, Speed
from apparel.models.detector import Detector
from tests.support import tiny_detector
from tests.support.repository import ROOT


@pytest.fixture(autouse=True)
def _in_the_project(monkeypatch) -> None:
    monkeypatch.chdir(ROOT)


def photo() -> bytes:
    buffer = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.mark.slow
def test_detectors_are_timed_by_kind_and_round(tmp_path: Path) -> None:
    Detector(tiny_detector.config(tiny_detector.train_params()), tiny_detector.CLASSES).save(tmp_path / "model")
    timed = speed.measure({"tiny": Candidate(tmp_path / "model")}, [photo()], threads=1, rounds=2, calls=3)
    tiny = timed["tiny"]
    assert [tiny.runtime, tiny.threads, tiny.width, tiny.height] == ["TensorFlow", 1, 64, 64]
    assert tiny.detector == "ssd_mobilenet_v1_keras"
    assert {what: [len(calls) for calls in rounds] for what, rounds in tiny.seconds.items()} == {
        "one": [3, 3], "processor": [1, 1], "batch": [1, 1], "decode": [3, 3], "whole": [3, 3],
    }  # fmt: skip
    assert tiny.ms() > 0 and tiny.memory > 50_000_000


def test_one_that_cannot_be_loaded_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"broken cannot be timed: .*nothing is neither the folder"):
        speed.measure({"broken": Candidate(tmp_path / "nothing")}, [photo()], rounds=1, calls=1)
    failed = []
    assert speed.measure({"broken": Candidate(tmp_path / "nothing")}, [photo()], failed=failed) == {}
    assert len(failed) == 1 and failed[0].startswith("broken cannot be timed")


def test_one_that_is_killed_is_named_with_its_last_words(tmp_path: Path, monkeypatch) -> None:
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\necho first >&2\necho out of memory >&2\nexit 1\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setattr(speed.sys, "executable", str(program))
    with pytest.raises(UserError, match="killed ended while it was timed: out of memory"):
        speed.measure({"killed": Candidate(tmp_path)}, [photo()], rounds=1, calls=1)


def test_figures_are_medians() -> None:
    timed = Speed("r", "d", 1, 1, 1, {"one": [[0.001, 0.009, 0.002], [0.003, 0.004]]}, 0)
    assert timed.ms() == pytest.approx(3)
    assert timed.by_round() == [0.002, 0.0035]
    assert math.isnan(timed.ms("batch"))


def test_the_processor_is_named_with_the_cores_that_may_be_used() -> None:
    assert speed.processor().endswith(f", {speed.cores()} core" + ("s" if speed.cores() > 1 else ""))
    assert 1 <= speed.cores() <= os.cpu_count()
