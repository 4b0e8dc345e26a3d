"""Exports the trained model to a format, and measures what was exported: `python -m stages.export tflite`."""

import argparse

from apparel import errors, params, paths
from apparel.data.index import read_index
from apparel.evaluation import export_figures, export_metrics, export_page
from apparel.inference.tensorflow_network import load_tensorflow_network
from apparel.models.export import calibration, formats
from apparel.models.tfod import determinism
from apparel.utils import files
from apparel.versioning.stage import stage


def main(format: str) -> None:
    """The model and the TFRecords -> the exported model, and export.json."""
    with stage(f"export@{format}"):
        config = params.load()
        index = read_index(paths.TFRECORD)
        determinism.enable(config.train.seed)  # as in eval
        trained = load_tensorflow_network(paths.MODEL)
        detector = trained.detector
        detector.check_classes(index)
        target = formats.write(
            format, detector, trained.metadata, paths.EXPORT, lambda: calibration.photos(index, detector.config)
        )
        measured = export_metrics.measure_formats({format: target}, trained, index)
        export_figures.check_limits(measured)
        files.write_json(paths.export_report(format), export_figures.to_json(measured, trained.metadata.model))
        print(export_page.terminal_text(measured))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m stages.export")
    parser.add_argument("format", choices=paths.EXPORTS)
    arguments = parser.parse_args()
    errors.run(lambda: main(arguments.format))
