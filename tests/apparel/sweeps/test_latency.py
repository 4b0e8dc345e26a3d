"""The latency of a trained detector, in milliseconds."""

import subprocess
import sys
from pathlib import Path

import pytest

from apparel.models.detector import Detector
from tests.support import tiny_detector
from tests.support.repository import ROOT


def run_latency(model: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "apparel.sweeps.latency", str(model)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8", check=False)


@pytest.mark.slow
def test_a_model_gives_milliseconds_and_a_folder_without_one_an_error(tmp_path: Path) -> None:
    Detector(tiny_detector.config(tiny_detector.train_params()), tiny_detector.CLASSES).save(tmp_path / "model")
    done = run_latency(tmp_path / "model")
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) > 0
    refused = run_latency(tmp_path)
    assert refused.returncode != 0
    assert "neither the folder of a trained model" in refused.stderr and "Traceback" not in refused.stderr
