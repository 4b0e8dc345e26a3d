"""The stage export by itself, and what DVC makes of `export.formats`."""

import json
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest

from apparel import paths
from apparel.errors import UserError
from apparel.evaluation import export_metrics, exports
from apparel.inference import networks, speed_record
from apparel.tracking import runs
from apparel.utils import files, yaml
from apparel.utils.nested import flatten
from apparel.versioning import dvc_yaml
from stages import export
from tests.support import decided_detector, exported_formats, tiny_detector
from tests.support.repository import ROOT


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Stands in for MLflow's run and for the timing; keeps what the run is sent."""
    sent = SimpleNamespace(metrics={}, files=[])
    sent.log_metrics = sent.metrics.update
    sent.log_file = lambda path, folder: sent.files.append(f"{folder}/{path.name}") if path.is_file() else None
    monkeypatch.setattr(runs, "run_of_model", lambda model, params, stage: nullcontext(sent))
    record = exported_formats.speed_record()
    monkeypatch.setattr(speed_record, "FOLDER", tmp_path / "speed")
    monkeypatch.setattr(export_metrics, "measure_speed", lambda exports, model, index: record)
    return sent


def test_a_format_is_written_and_measured(tmp_path, monkeypatch, capsys, run):
    trained = decided_detector.network()
    tiny_detector.records(tmp_path)
    params = (ROOT / "params.yaml").read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    paths.PARAMS.write_text(params, encoding="utf-8")
    trained.detector.save(paths.MODEL, trained.metadata.thresholds)
    export.main("tflite")
    network = networks.load(paths.EXPORTS["tflite"])
    assert network.metadata.thresholds == trained.metadata.thresholds
    report = json.loads(paths.export_report("tflite").read_text(encoding="utf-8"))
    assert report["model"] == network.metadata.model
    _, measured = report["formats"]
    assert (measured["format"], measured["bytes"]) == ("tflite", paths.EXPORTS["tflite"].stat().st_size)
    assert measured["val"]["lost"] == 0
    assert np.isclose(measured["test"]["mAP50"]["difference"], 0, atol=1e-6)
    printed = capsys.readouterr().out
    assert "tflite" in printed and "A processor, 2 cores" in printed
    assert run.metrics["export/tflite/ms_per_photo"] == 4 and abs(run.metrics["export/tflite/difference"]) < 1e-6
    assert run.files == ["export/tflite/export.json", "export/speed.json", "export/tflite.html"]
    # No figure that differs from run to run is in the output.
    names = {path.name for path in paths.export_report("tflite").parent.iterdir()}
    assert names == {"detector.tflite", "export.json", "index.html"}
    assert "A processor" not in paths.export_report("tflite").with_name("index.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_format_too_far_off_is_an_error_before_mlflow_hears_of_it(tmp_path, monkeypatch, run):
    trained = decided_detector.network()
    tiny_detector.records(tmp_path)
    params = (ROOT / "params.yaml").read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    paths.PARAMS.write_text(params, encoding="utf-8")
    trained.detector.save(paths.MODEL, trained.metadata.thresholds)
    files.write_text(paths.EXPORTS["tflite"], "an export")
    monkeypatch.setattr(exports.formats, "write", lambda *_: paths.EXPORTS["tflite"])
    far_off = [
        exported_formats.format_figures(name, test=test) for name, test in (("trained model", 0.5), ("tflite", 0.4))
    ]
    monkeypatch.setattr(export_metrics, "measure_formats", lambda *_: far_off)
    with pytest.raises(UserError, match=r"tflite has mAP50 0\.4000 on test, the trained model 0\.5000"):
        export.main("tflite")
    assert run.metrics == {} and run.files == []
    assert paths.export_report("tflite").is_file()
    assert not paths.EXPORTS["tflite"].exists()


@pytest.mark.parametrize("formats", [[], ["tflite", "onnx"]])
def test_a_stage_for_each_format_and_by_default_none(formats):
    pipeline = yaml.load(ROOT / "dvc.yaml")
    stages = dvc_yaml.read_stages(pipeline, {"export": {"formats": formats}})
    assert [name for name in stages if "@" in name] == [f"export@{name}" for name in formats]
    for name in formats:
        stage = stages[f"export@{name}"]
        assert stage["cmd"] == f"python -m stages.export {name}"
        (output,) = stage["outs"]
        assert paths.EXPORTS[name].as_posix().startswith(output)
    assert flatten(yaml.load(ROOT / "params.yaml"))["export.formats"] == []
