"""The stage export by itself, and what DVC makes of `export.formats`."""

import json

import numpy as np
import pytest

from apparel import paths
from apparel.inference import networks
from apparel.params import flatten
from apparel.utils import yaml
from apparel.versioning import dvc_yaml
from stages import export
from tests.support import decided_detector, tiny_detector
from tests.support.repository import ROOT


def test_a_format_is_written_and_measured(tmp_path, monkeypatch, capsys):
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
    assert "tflite" in capsys.readouterr().out


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
