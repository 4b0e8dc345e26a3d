"""`apparel export`: a trained model in the formats of other runtimes."""

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from apparel import paths
from apparel.cli.arguments import path_or_address
from apparel.errors import UserError
from apparel.utils import buckets

if TYPE_CHECKING:
    from apparel.data.index import Index
    from apparel.inference.tensorflow_network import TensorFlowNetwork
    from apparel.models.detector import Detector

EXAMPLES = """examples:
  apparel export --format tflite                     data/results/export/tflite/detector.tflite, of the last `dvc repro`
  apparel export --format saved_model --format tflite_int8
  apparel export --format tflite --model champion --out /tmp/champion     of another model, elsewhere

formats:
  saved_model   TensorFlow and its server: the Object Detection API's signature; with frozen_inference_graph.pb
  tflite        TensorFlow Lite and Android, float32: the boxes of the trained model
  tflite_int8   the same of integers: smaller, and faster on most processors; calibrated on training photos
  onnx          ONNX Runtime and OpenVINO

Each is measured beside the model on val and test of the last `dvc repro`: one that is too far off is an error.
Formats that belong to the project are listed in params.yaml as `export.formats`; `dvc repro` makes them."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    parser.epilog = EXAMPLES
    parser.add_argument(
        "--format", action="append", required=True, choices=paths.EXPORTS, dest="formats", help="may be given again"
    )
    parser.add_argument(
        "--model",
        default="workspace",
        help="a folder, an address, an experiment, a commit, a run or model of MLflow, an alias",
    )
    out_help = "folder, here or at gs://… or s3://… (default: %(default)s)"
    parser.add_argument("--out", type=path_or_address, default=paths.EXPORT, help=out_help)


def main(arguments: argparse.Namespace) -> None:
    """Writes the formats, and measures them beside the model where the TFRecords have its classes.

    Raises:
        UserError: there is no such model, it is an export already or an ensemble, or a format cannot hold it or is
            too far off it.
    """
    from apparel.analysis import model_sources
    from apparel.inference import ensemble_file

    folder = model_sources.resolve(arguments.model)
    from apparel.inference.tensorflow_network import load_tensorflow_network
    from apparel.models.tfod import determinism

    if ensemble_file.is_ensemble(folder):
        raise UserError(
            f"{folder} is the file of an ensemble, which `apparel predict` and `apparel serve` take as --model; "
            "a format holds one model: export its members, each with a folder of its own as --out"
        )
    if not (folder / "pipeline.config").is_file():
        raise UserError(f"{folder} is an export already; name the folder of a trained model")
    determinism.enable(0)
    trained = load_tensorflow_network(folder)
    with _folder(arguments.out) as out:
        _write_all([name for name in paths.EXPORTS if name in arguments.formats], trained, folder, out, arguments.out)


def _write_all(names: Sequence[str], trained: "TensorFlowNetwork", folder: Path, out: Path, target: Path | str) -> None:
    """Writes and measures each format in `out`, and sends it to `target` where that is an address."""
    from apparel.evaluation import export_metrics, export_page, exports

    index = _records(trained.detector)
    reference = export_metrics.detect_reference(trained, index) if index else {}
    measured, targets = [], {}
    for name in names:
        if index:
            targets[name], figures = exports.write_measured(name, trained, folder, index, out, reference)
            measured += figures[bool(measured) :]  # the first is the trained model, which all have
        else:
            targets[name] = _write(name, trained, out)
        if isinstance(target, str):
            buckets.Folder(target).replace(name, out / name)
        shown = str(targets[name]).replace(str(out), str(target))
        print(f"{shown}: {export_metrics.size_of(targets[name]) / 1e6:.1f} MB")
    if index:
        speeds = export_metrics.measure_speed(targets, folder, index)
        speeds.write()
        print(export_page.terminal_text(measured, speeds))


@contextmanager
def _folder(out: Path | str) -> Iterator[Path]:
    """The folder to write to: a temporary one for an address, which errors then name."""
    if isinstance(out, Path):
        yield out
        return
    with TemporaryDirectory(prefix="apparel-export-") as name:
        try:
            yield Path(name)
        except UserError as error:
            raise UserError(str(error).replace(name, out)) from None


def _records(detector: "Detector") -> "Index | None":
    """The TFRecords to measure on; None, with a line that says why, where there are none with the model's classes."""
    from apparel.data.index import read_index

    try:
        index = read_index(paths.TFRECORD)
        detector.check_classes(index)
        if not index.splits["test"].photos:
            raise UserError("split.fold has left no photo in test")
    except UserError as error:
        print(f"not measured: {error}")
        return None
    return index


def _write(name: str, trained: "TensorFlowNetwork", out: Path) -> Path:
    from apparel.data.index import read_index
    from apparel.models.export import calibration, formats

    config = trained.detector.config
    return formats.write(
        name, trained.detector, trained.metadata, out, lambda: calibration.photos(read_index(paths.TFRECORD), config)
    )
