"""The code samples of docs/export.md run on the exports of a detector, and find what the trained model finds."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from apparel import paths
from apparel.models.export import formats
from tests.support import decided_detector
from tests.support.repository import ROOT

SAMPLES = re.findall(
    r"\n### ([^\n]+)\n\n```python\n(.+?)```", (ROOT / "docs" / "export.md").read_text("utf-8"), re.DOTALL
)


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> tuple[Path, set[tuple[str, int]]]:
    """A folder with all exports and a photo, and what the trained model shows: class and score in hundredths."""
    folder = tmp_path_factory.mktemp("project")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        network = decided_detector.network()
    optional = ("onnx", "tf2onnx", "apparel.models.export.onnx")  # requirements-export.txt
    with_onnx = all(map(importlib.util.find_spec, optional))
    for name in ("tflite", "saved_model", *(["onnx"] if with_onnx else [])):
        formats.write(name, network.detector, network.metadata, folder / paths.EXPORT, lambda: [])
    (image,) = decided_detector.images(1)
    Image.fromarray(image.astype(np.uint8)).save(folder / "photo.jpg", quality=100, subsampling=0)
    photo = np.asarray(Image.open(folder / "photo.jpg").convert("RGB"))
    detections = network.detect(network.prepare(photo)[np.newaxis])
    classes, thresholds = network.metadata.classes, network.metadata.thresholds.by_class
    named = [
        (classes[int(number)], score) for number, score in zip(detections.classes[0], detections.scores[0], strict=True)
    ]
    return folder, {(name, round(100 * float(score))) for name, score in named if score >= thresholds[name]}


@pytest.mark.slow
@pytest.mark.parametrize(("title", "code"), SAMPLES, ids=[title for title, _ in SAMPLES])
def test_a_sample_finds_what_the_trained_model_finds(project, title: str, code: str) -> None:
    folder, expected = project
    if "detector.onnx" in code and not (folder / paths.EXPORTS["onnx"]).exists():
        pytest.skip("needs the packages of requirements-export.txt")
    for runtime in ("onnxruntime", "openvino"):
        if f"import {runtime}" in code:
            pytest.importorskip(runtime)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stderr
    found = {(line.split()[0], float(line.split()[1])) for line in done.stdout.splitlines()}
    assert expected and len(found) >= len(expected)
    for name, hundredths in expected:
        assert any(other == name and abs(100 * score - hundredths) < 1 for other, score in found), (name, hundredths)


def test_each_runtime_has_a_sample_of_few_lines() -> None:
    titles = [title.split(",")[0].split(":")[0] for title, _ in SAMPLES]
    assert titles == ["TensorFlow Lite", "ONNX Runtime", "OpenVINO", "SavedModel", "Frozen graph"]
    for title, code in SAMPLES:
        assert len(re.sub(r"^(import|from) .*\n", "", code, flags=re.MULTILINE).strip().splitlines()) <= 15, title
