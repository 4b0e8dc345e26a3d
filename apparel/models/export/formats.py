"""A detector in one of the formats of `export.formats`, with what its users need beside the weights."""

from pathlib import Path

from apparel import paths
from apparel.models.detector import Detector
from apparel.models.export import support
from apparel.models.metadata import Metadata
from apparel.utils import files, native_output


def write(format: str, detector: Detector, metadata: Metadata, folder: Path, photos: support.Photos) -> Path:
    """Writes a detector in a format.

    Args:
        format: one of `paths.EXPORTS`.
        detector: the trained model.
        metadata: what the export carries beside the weights.
        folder: gets a folder named as the format, as in data/results/export; one that is there is replaced.
        photos: training photos, for `tflite_int8`.

    Returns:
        The exported file, or a SavedModel's folder.

    Raises:
        UserError: the format cannot hold the detector; says why.
    """
    support.check_format(detector.config, format)
    files.remove_tree(folder / format)  # figures of an earlier export lie in it, too
    target = folder / paths.EXPORTS[format].relative_to(paths.EXPORT)
    with native_output.without_noise():
        _write(format, detector, metadata, target, photos)
    return target


def _write(format: str, detector: Detector, metadata: Metadata, target: Path, photos: support.Photos) -> None:
    if format == "saved_model":
        from apparel.models.export import saved_model

        saved_model.write(detector, metadata, target)
    elif format == "onnx":
        from apparel.models.export import onnx

        onnx.write(detector, metadata, target)
    else:
        from apparel.models.export import tflite

        tflite.write(detector, metadata, target, photos if format == "tflite_int8" else None)
