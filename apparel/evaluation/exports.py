"""An export that is written, measured beside its model, and removed where it is too far off."""

from collections.abc import Mapping
from pathlib import Path

from apparel.data.index import Index
from apparel.errors import UserError
from apparel.evaluation import export_figures, export_metrics, export_page
from apparel.evaluation.export_figures import FormatFigures
from apparel.inference.split_detections import ScoredSplit
from apparel.inference.tensorflow_network import TensorFlowNetwork
from apparel.models.export import calibration, formats
from apparel.utils import files

REPORT = "export.json"
"""What was measured of a format, beside its file."""


def write_measured(
    format: str,
    trained: TensorFlowNetwork,
    model: Path,
    index: Index,
    folder: Path,
    reference: Mapping[str, ScoredSplit],
) -> tuple[Path, list[FormatFigures]]:
    """Writes a format of a trained model with `export.json` and `index.html`: its figures on val and test.

    Args:
        format: a key of `paths.EXPORTS`.
        trained: the trained model.
        model: the folder that it was loaded from.
        index: of the TFRecords, which have its classes.
        folder: gets a folder of the format's name; one that is there is replaced.
        reference: what `export_metrics.detect_reference` returned for the trained model.

    Returns:
        The exported file or folder, and what `export_metrics.measure_formats` returned.

    Raises:
        UserError: the format cannot hold the model, or is too far off it. The export is removed then, since `apparel
            predict` would take it; its figures stay.
    """
    trained.detector.check_classes(index)
    target = formats.write(
        format, trained.detector, trained.metadata, folder, lambda: calibration.photos(index, trained.detector.config)
    )
    measured = export_metrics.measure_formats({format: target}, trained, model, index, reference)
    files.write_json(folder / format / REPORT, export_figures.to_json(measured, trained.metadata.model))
    files.write_text(folder / format / "index.html", export_page.render_page(measured))
    try:
        export_figures.check_limits(measured)
    except UserError:
        files.remove_tree(target) if target.is_dir() else target.unlink()
        raise
    return target, measured
