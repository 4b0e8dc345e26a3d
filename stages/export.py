"""Exports the trained model to a format, and measures what was exported: `python -m stages.export tflite`."""

import argparse
from pathlib import Path

from apparel import errors, params, paths
from apparel.data.index import read_index
from apparel.evaluation import export_figures, export_metrics, export_page, exports
from apparel.evaluation.export_figures import FormatFigures
from apparel.inference.speed_record import SpeedRecord
from apparel.inference.tensorflow_network import load_tensorflow_network
from apparel.models.tfod import determinism
from apparel.tracking import runs
from apparel.utils import files
from apparel.versioning import stage_inputs
from apparel.versioning.stage import stage


def main(format: str) -> None:
    """The model and the TFRecords -> the exported model, export.json and index.html."""
    with stage(f"export@{format}"):
        config = params.load()
        index = read_index(paths.TFRECORD)
        determinism.enable(config.train.seed)  # as in eval
        trained = load_tensorflow_network(paths.MODEL)
        reference = export_metrics.detect_reference(trained, index)
        target, measured = exports.write_measured(format, trained, paths.MODEL, index, paths.EXPORT, reference)
        speeds = export_metrics.measure_speed({format: target}, paths.MODEL, index)
        with runs.run_of_model(paths.MODEL, config, "export") as run:
            stage_inputs.check_unchanged(f"export@{format}")  # before MLflow gets numbers of it
            run.log_metrics(export_figures.headline_metrics(measured) | speeds.headline_metrics())
            run.log_file(paths.export_report(format), f"export/{format}")
            for path in _write_speed(format, measured, speeds):
                run.log_file(path, "export")
        print(export_page.terminal_text(measured, speeds))


def _write_speed(format: str, measured: list[FormatFigures], speeds: SpeedRecord) -> tuple[Path, Path]:
    """Writes the record of the speed, and the page with it, beside the outputs: an output may not differ by the run."""
    record = speeds.write()
    page = record.with_name(f"{format}.html")
    files.write_text(page, export_page.render_page(measured, speeds))
    return record, page


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m stages.export")
    parser.add_argument("format", choices=paths.EXPORTS)
    arguments = parser.parse_args()
    errors.run(lambda: main(arguments.format))
