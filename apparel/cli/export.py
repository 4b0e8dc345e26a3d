"""`apparel export`: a trained model in the formats of other runtimes."""

import argparse
from pathlib import Path

from apparel import paths

EXAMPLES = """examples:
  apparel export --format tflite                     data/results/export/tflite/detector.tflite, of the last `dvc repro`
  apparel export --format saved_model --format tflite_int8
  apparel export --format tflite --model champion --out /tmp/champion     of another model, elsewhere

formats:
  saved_model   TensorFlow and its server: the Object Detection API's signature; with frozen_inference_graph.pb
  tflite        TensorFlow Lite and Android, float32: the boxes of the trained model
  tflite_int8   the same of integers: smaller, and faster on most processors; calibrated on training photos
  onnx          ONNX Runtime and OpenVINO

Formats that belong to the project, listed in params.yaml as `export.formats`, are made and measured by `dvc repro`."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    parser.epilog = EXAMPLES
    parser.add_argument(
        "--format", action="append", required=True, choices=paths.EXPORTS, dest="formats", help="may be given again"
    )
    parser.add_argument(
        "--model", default="workspace", help="a folder, an experiment, a commit, a run or model of MLflow, an alias"
    )
    parser.add_argument("--out", type=Path, default=paths.EXPORT, help="folder (default: %(default)s)")


def main(arguments: argparse.Namespace) -> None:
    """Writes the formats.

    Raises:
        UserError: there is no such model, it is an export already, or a format cannot hold it.
    """
    from apparel.analysis import model_sources

    folder = model_sources.resolve(arguments.model)
    from apparel.data.index import read_index
    from apparel.errors import UserError
    from apparel.evaluation import export_metrics
    from apparel.inference.tensorflow_network import load_tensorflow_network
    from apparel.models.export import calibration, formats
    from apparel.models.tfod import determinism

    if not (folder / "pipeline.config").is_file():
        raise UserError(f"{folder} is an export already; name the folder of a trained model")
    determinism.enable(0)
    trained = load_tensorflow_network(folder)
    detector = trained.detector
    for name in [name for name in paths.EXPORTS if name in arguments.formats]:
        target = formats.write(
            name,
            detector,
            trained.metadata,
            arguments.out,
            lambda: calibration.photos(read_index(paths.TFRECORD), detector.config),
        )
        print(f"{target}: {export_metrics.size_of(target) / 1e6:.1f} MB")
