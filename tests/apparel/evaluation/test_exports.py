"""An export with its figures: what is written, and what is removed where it is too far off its model."""

import json

import pytest

from apparel import paths
from apparel.errors import UserError
from apparel.evaluation import exports
from apparel.utils import files
from tests.support import decided_detector, exported_formats, tiny_detector


@pytest.fixture
def export(tmp_path, monkeypatch):
    """Writes a file in place of a real export, whose mAP50 on test is the argument; the trained model's is 0.5."""
    index, trained = tiny_detector.records(tmp_path), decided_detector.network()
    monkeypatch.chdir(tmp_path)
    target = tmp_path / "out" / "tflite" / "detector.tflite"
    monkeypatch.setattr(exports.formats, "write", lambda *_: files.write_text(target, "an export") or target)

    def write(map50: float):
        figures = [exported_formats.format_figures("trained model"), exported_formats.format_figures("tflite", map50)]
        monkeypatch.setattr(exports.export_metrics, "measure_formats", lambda *_: figures)
        return exports.write_measured("tflite", trained, paths.MODEL, index, tmp_path / "out", {})

    return write


def test_figures_lie_beside_the_export_in_any_folder(export, tmp_path):
    target, measured = export(0.499)
    assert target.read_text(encoding="utf-8") == "an export" and measured[1].format == "tflite"
    report = json.loads((tmp_path / "out" / "tflite" / exports.REPORT).read_text(encoding="utf-8"))
    assert report["formats"][1]["val"]["mAP50"]["AP50"] == 0.499
    assert "tflite" in (tmp_path / "out" / "tflite" / "index.html").read_text(encoding="utf-8")


def test_an_export_too_far_off_is_removed_and_its_figures_stay(export, tmp_path):
    with pytest.raises(UserError, match=r"tflite has mAP50 0\.4900 on val, the trained model 0\.5000"):
        export(0.49)
    assert {path.name for path in (tmp_path / "out" / "tflite").iterdir()} == {exports.REPORT, "index.html"}
