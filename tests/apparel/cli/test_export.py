"""`apparel export`: which model, which formats, where to."""

import argparse
import re
from pathlib import Path

import pytest

from apparel import paths
from apparel.cli import export
from apparel.errors import UserError
from apparel.evaluation import export_metrics, exports
from apparel.evaluation.export_figures import TRAINED
from apparel.inference import speed_record, tensorflow_network
from apparel.models.export import formats
from tests.support import exported_formats, memory_bucket, tiny_detector


def parse(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    export.add_arguments(parser)
    return parser.parse_args(arguments)


@pytest.fixture
def written(monkeypatch) -> list[tuple]:
    """What was written: format and folder."""
    calls = []

    def write(name, detector, metadata, folder, photos):
        calls.append((name, folder))
        target = folder / paths.EXPORTS[name].relative_to(paths.EXPORT)
        target.parent.mkdir(parents=True)
        target.write_bytes(bytes(2_340_000))
        return target

    monkeypatch.setattr(formats, "write", write)
    return calls


def test_formats_of_a_folders_model_are_written_each_once_with_their_size(written, tmp_path, monkeypatch, capsys):
    detector = tensorflow_network.Detector(tiny_detector.config(tiny_detector.train_params()), tiny_detector.CLASSES)
    monkeypatch.chdir(tmp_path)
    detector.save(tmp_path / "model")
    out = tmp_path / "out"
    options = ("--format", "onnx", "--format", "tflite", "--format", "onnx")
    export.main(parse("--model", str(tmp_path / "model"), "--out", str(out), *options))
    assert written == [("tflite", out), ("onnx", out)]
    why, *printed = capsys.readouterr().out.splitlines()
    assert why == "not measured: data/results/tfrecord/index.json not found; run `dvc repro tfrecord`"
    assert printed == [f"{out / 'tflite' / 'detector.tflite'}: 2.3 MB", f"{out / 'onnx' / 'detector.onnx'}: 2.3 MB"]


def test_formats_are_measured_where_the_records_have_the_models_classes(tmp_path, monkeypatch, capsys):
    detector = tensorflow_network.Detector(tiny_detector.config(tiny_detector.train_params()), tiny_detector.CLASSES)
    tiny_detector.records(tmp_path)
    monkeypatch.chdir(tmp_path)
    detector.save(tmp_path / "model")
    figures = {name: exported_formats.format_figures(name) for name in (TRAINED, "tflite", "onnx")}
    record = exported_formats.speed_record()
    target = tmp_path / "detector"
    target.write_bytes(bytes(2_340_000))
    monkeypatch.setattr(export_metrics, "detect_reference", lambda *_: {})
    monkeypatch.setattr(
        exports, "write_measured", lambda name, trained, model, *_: (target, [figures[TRAINED], figures[name]])
    )
    timed = []
    monkeypatch.setattr(
        export_metrics, "measure_speed", lambda targets, model, _: timed.append((list(targets), model)) or record
    )
    monkeypatch.setattr(speed_record, "FOLDER", tmp_path / "speed")
    export.main(parse("--model", "model", "--format", "onnx", "--format", "tflite"))
    *sizes, header, trained, tflite, onnx, _ = capsys.readouterr().out.splitlines()
    assert sizes == [f"{target}: 2.3 MB"] * 2
    assert "difference" in header and trained.startswith(TRAINED)
    assert tflite.startswith("tflite") and onnx.startswith("onnx")
    assert [(targets, model.resolve()) for targets, model in timed] == [(["tflite", "onnx"], tmp_path / "model")]


def test_an_export_is_no_model_to_export(written, tmp_path):
    path = tmp_path / "detector.tflite"
    path.touch()
    with pytest.raises(UserError, match="is an export already"):
        export.main(parse("--format", "onnx", "--model", str(path)))
    assert not written


@pytest.mark.parametrize("name", ["two.yaml", "two.yml"])
def test_an_ensemble_is_no_model_to_export_and_what_takes_it_is_named(written, tmp_path, name):
    path = tmp_path / name
    path.write_text("members: [{model: six}, {model: lite}]\n")
    told = f"{path} is the file of an ensemble, which `apparel predict` and `apparel serve` take as --model"
    with pytest.raises(UserError, match=rf"^{re.escape(told)}; .*export its members"):
        export.main(parse("--format", "onnx", "--model", str(path)))
    assert not written


def test_no_or_an_unknown_format_is_refused(capsys):
    for arguments in ((), ("--format", "tensorrt")):
        with pytest.raises(SystemExit):
            parse(*arguments)
    assert "saved_model" in capsys.readouterr().err
    assert parse("--format", "tflite").out == Path("data/results/export")


def test_formats_go_to_a_bucket(written, tmp_path, monkeypatch, capsys):
    detector = tensorflow_network.Detector(tiny_detector.config(tiny_detector.train_params()), tiny_detector.CLASSES)
    monkeypatch.chdir(tmp_path)
    detector.save(tmp_path / "model")
    address = memory_bucket.make(monkeypatch)
    memory_bucket.write(f"{address}/out/onnx/old.onnx", b"")
    export.main(parse("--model", str(tmp_path / "model"), "--out", f"{address}/out", "--format", "onnx"))
    assert capsys.readouterr().out.splitlines()[-1] == f"{address}/out/onnx/detector.onnx: 2.3 MB"
    assert list(memory_bucket.files(address)) == ["out/onnx/detector.onnx"]
