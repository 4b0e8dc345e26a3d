"""Accuracy of exported detectors beside the trained model's, as `export.json` holds it, and how far off it may be."""

import json
import math
from dataclasses import dataclass
from typing import Any

import pandas as pd

from apparel.classes import ALL
from apparel.errors import UserError
from apparel.evaluation.evaluate import DECIMALS

SPLITS = ("val", "test")

FLOAT_LIMIT = 0.005
"""Largest difference of mAP50 between the trained model and a float format, 0 to 1. The arithmetic differs in the last
bits only, which moves a few detections across one another: a larger difference is a fault of the export."""

INT8_LIMIT = 0.02
"""The same for a format whose weights and activations are rounded to 8 bits; published losses are below it."""

RUNTIMES = {"onnx": {"ONNX Runtime": "onnxruntime", "OpenVINO": "openvino"}}
"""Runtimes of a format that several can run, with the package of each."""

TRAINED = "trained model"
"""Name of the trained model in TensorFlow among the formats."""

DIFFERENCE_COLUMNS = {"first": "trained", "second": "AP50", "difference": "difference", "low": "low", "high": "high"}


def format_name(name: str, runtime: str | None) -> str:
    """A format with its runtime where several can run it, such as `onnx on OpenVINO`."""
    return f"{name} on {runtime}" if name in RUNTIMES and runtime else name


@dataclass(frozen=True)
class SplitFigures:
    """A format on one split.

    Attributes:
        table: a row a class and a last one, `ALL`: `trained` and `AP50` (of the trained model and of the format),
            `difference`, `low` and `high` (its 95% interval); nan where undefined.
        photos: number of photos.
        compared: detections of the trained model from its thresholds on.
        lost: those of them that no detection of the format matches (same class, IoU at least 0.5).
        largest_score: largest difference of a score to the matching detection's, 0 to 1; nan without any.
        largest_corner: largest difference of a corner's coordinate to the matching detection's, in pixels of the photo.
    """

    table: pd.DataFrame
    photos: int
    compared: int
    lost: int
    largest_score: float
    largest_corner: float

    @property
    def map50(self) -> float:
        """Mean of AP50 over the classes with ground truth."""
        return float(self.table.loc[ALL, "AP50"])

    @property
    def difference(self) -> float:
        """Difference of `map50` to the trained model's."""
        return float(self.table.loc[ALL, "difference"])


@dataclass(frozen=True)
class FormatFigures:
    """A format on one runtime.

    Attributes:
        format: such as `tflite_int8`.
        runtime: what ran it.
        file: name of its file or folder.
        size: bytes.
        splits: figures of val and test.
    """

    format: str
    runtime: str
    file: str
    size: int
    splits: dict[str, SplitFigures]

    @property
    def name(self) -> str:
        """The format, with the runtime where several can run it, such as `onnx on OpenVINO`."""
        return format_name(self.format, self.runtime)

    @property
    def limit(self) -> float:
        """Largest difference of mAP50 to the trained model that is no error."""
        return INT8_LIMIT if self.format.endswith("int8") else FLOAT_LIMIT


def check_limits(measured: list[FormatFigures]) -> None:
    """Refuses formats whose mAP50 on val or test is too far from the trained model's.

    Raises:
        UserError: there is one; names each with its numbers, and the remedy.
    """
    beyond = [
        (figures, split)
        for figures in measured
        for split in SPLITS
        if abs(figures.splits[split].difference) > figures.limit
    ]
    if beyond:
        raise UserError("\n".join([*(_beyond(*each) for each in beyond), _remedy({each.format for each, _ in beyond})]))


def _beyond(figures: FormatFigures, split: str) -> str:
    total = figures.splits[split].table.loc[ALL]
    return (
        f"{figures.name} has mAP50 {total['AP50']:.4f} on {split}, the trained model {total['trained']:.4f}: "
        f"{abs(total['difference']):.4f} apart, of which {figures.limit} is allowed"
    )


def _remedy(formats: set[str]) -> str:
    """What to do about formats beyond their limits."""
    remedies = [f"take {', '.join(sorted(formats))} out of export.formats in params.yaml to go on without"]
    if any(name.endswith("int8") for name in formats):
        remedies.insert(0, "int8: calibrate on more or other training photos, or use the float format")
    if not all(name.endswith("int8") for name in formats):
        remedies.insert(0, "a float format as far off as this detects wrongly: report it with this message")
    return "; ".join(remedies)


def to_json(measured: list[FormatFigures], model: str) -> dict[str, Any]:
    """The content of `export.json`.

    Args:
        measured: what `measure_formats` returned.
        model: DVC's hash of the trained model.
    """
    return {"model": model, "formats": [_format_json(figures) for figures in measured]}


def _format_json(figures: FormatFigures) -> dict[str, Any]:
    splits = {split: _split_json(of_split) for split, of_split in figures.splits.items()}
    about = {"format": figures.format, "runtime": figures.runtime, "file": figures.file, "bytes": figures.size}
    return about | splits


def _split_json(figures: SplitFigures) -> dict[str, Any]:
    rows = {name: {key: _rounded(row[key]) for key in figures.table} for name, row in figures.table.iterrows()}
    return {
        "photos": figures.photos,
        "mAP50": rows.pop(ALL),
        "AP50": rows,
        "compared": figures.compared,
        "lost": figures.lost,
        "largest_score_difference": _rounded(figures.largest_score),
        "largest_corner_difference": _rounded(figures.largest_corner),
    }


def _rounded(value: float) -> float | None:
    return None if math.isnan(value) else round(float(value), DECIMALS)


def read_json(content: bytes, source: str) -> tuple[str, list[FormatFigures]]:
    """What `to_json` gave: the hash of the trained model, and the figures.

    Args:
        content: of the file, which may come from elsewhere.
        source: names it in errors.

    Raises:
        UserError: it is not such a file.
    """
    try:
        values = json.loads(content)
        return str(values["model"]), [_read_format(entry) for entry in values["formats"]]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise UserError(f"{source} is damaged; `dvc repro --force export` writes it again") from None


def _read_format(entry: dict[str, Any]) -> FormatFigures:
    texts = [str(entry[key]) for key in ("format", "runtime", "file")]
    return FormatFigures(*texts, int(entry["bytes"]), {split: _read_split(entry[split]) for split in SPLITS})


def _read_split(values: dict[str, Any]) -> SplitFigures:
    rows = values["AP50"] | {ALL: values["mAP50"]}
    columns = list(DIFFERENCE_COLUMNS.values())
    numbers = [[_number(row[column]) for column in columns] for row in rows.values()]
    largest = [_number(values[f"largest_{what}_difference"]) for what in ("score", "corner")]
    counts = [int(values[key]) for key in ("photos", "compared", "lost")]
    return SplitFigures(pd.DataFrame(numbers, index=pd.Index(rows, name="class"), columns=columns), *counts, *largest)


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def headline_metrics(measured: list[FormatFigures]) -> dict[str, float]:
    """Metrics of a run in MLflow: `export/<format>/mAP50` on test and `export/<format>/difference` to the trained
    model; all others are in its file `export/export.json`."""
    values = {}
    for figures in measured:
        test = figures.splits["test"]
        if figures.format != TRAINED and not math.isnan(test.map50):
            values[f"export/{figures.name}/mAP50"] = test.map50
            values[f"export/{figures.name}/difference"] = test.difference
    return values
