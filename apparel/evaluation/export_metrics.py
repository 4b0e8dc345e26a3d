"""Measurement of exported detectors on val and test, beside the trained model and on the same photos as eval."""

import importlib.util
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from apparel.boxes import CORNERS
from apparel.data.index import Index
from apparel.errors import UserError
from apparel.evaluation import metrics
from apparel.evaluation.differences import paired_differences
from apparel.evaluation.evaluate import check_photos
from apparel.evaluation.export_figures import (
    DIFFERENCE_COLUMNS,
    RUNTIMES,
    SPLITS,
    TRAINED,
    FormatFigures,
    SplitFigures,
    format_name,
)
from apparel.evaluation.metrics import TRUE_POSITIVE
from apparel.inference import networks, speed, speed_record
from apparel.inference.network import Network
from apparel.inference.speed import Candidate
from apparel.inference.speed_record import SpeedRecord
from apparel.inference.split_detections import ScoredSplit, detect_split_with
from apparel.inference.tensorflow_network import TensorFlowNetwork
from apparel.models import inputs
from apparel.models.thresholds import Thresholds
from apparel.utils import files
from apparel.versioning import dvc_hash

PHOTOS_TO_TIME = 16
"""Photos that formats are timed on: different ones, since detections take their time, too."""


def measure_formats(
    exports: Mapping[str, Path],
    trained: TensorFlowNetwork,
    model: Path,
    index: Index,
    reference: Mapping[str, ScoredSplit],
) -> list[FormatFigures]:
    """Measures every format on val and test, beside the trained model.

    Args:
        exports: the file or folder of each format.
        trained: the trained model.
        model: the folder that it was loaded from.
        index: of the TFRecords.
        reference: what `detect_reference` returned for the trained model.

    Returns:
        The trained model, as the format `TRAINED`, then the formats, each once a runtime that is installed.

    Raises:
        UserError: a format cannot be loaded, or a photo of a split was not scored.
    """
    loaded = [
        (name, path, _load(path, runtime, trained))
        for name, path in exports.items()
        for runtime in installed_runtimes(name)
    ]
    thresholds = trained.metadata.thresholds
    measured = [_figures(TRAINED, model, trained.runtime, reference, reference, thresholds)]
    for name, path, network in tqdm(loaded, desc="measuring formats", leave=False, delay=1, disable=None):
        scored = {split: _detect(network, trained, index, split) for split in SPLITS}
        measured.append(_figures(name, path, network.runtime, reference, scored, thresholds))
    return measured


def detect_reference(trained: TensorFlowNetwork, index: Index) -> dict[str, ScoredSplit]:
    """The trained model's detections on val and test, which those of every format are compared with.

    Raises:
        UserError: a photo of a split was not scored.
    """
    return {split: _detect(trained, trained, index, split) for split in SPLITS}


def _load(path: Path, runtime: str | None, trained: TensorFlowNetwork) -> Network:
    """An exported network.

    Raises:
        UserError: it cannot be loaded, or is not of the trained model.
    """
    network = networks.load(path, runtime)
    found, expected = ((each.metadata.model, each.metadata.classes) for each in (network, trained))
    if found != expected:
        raise UserError(f"{path} is an export of another model, {found[0]} with {', '.join(found[1])}; export it again")
    return network


def installed_runtimes(name: str) -> list[str | None]:
    """The runtimes to measure a format on; None stands for the usual one, which says so where it is missing."""
    return [runtime for runtime, module in RUNTIMES.get(name, {}).items() if importlib.util.find_spec(module)] or [None]


def _detect(network: Network, trained: TensorFlowNetwork, index: Index, split: str) -> ScoredSplit:
    scored = detect_split_with(network, trained.detector, index, split)
    check_photos(split, scored.photos, index.splits[split].photos)
    return scored


def _figures(
    name: str,
    path: Path,
    runtime: str,
    trained: Mapping[str, ScoredSplit],
    scored: Mapping[str, ScoredSplit],
    thresholds: Thresholds,
) -> FormatFigures:
    splits = {split: compare_split(trained[split], scored[split], thresholds) for split in trained}
    return FormatFigures(name, runtime, path.name, size_of(path), splits)


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    return sum(file.stat().st_size for file in files.below(path)) if path.is_dir() else path.stat().st_size


def compare_split(trained: ScoredSplit, scored: ScoredSplit, thresholds: Thresholds) -> SplitFigures:
    """The figures of a format on one split.

    Args:
        trained: detections of the trained model.
        scored: detections of the format on the same photos.
        thresholds: of the trained model: its detections from them on are looked for among those of the format.

    Raises:
        UserError: a score or a coordinate of a detection is not a finite number.
    """
    matches = [metrics.match_detections(trained.ground_truth, each.detections) for each in (trained, scored)]
    classes = list(thresholds.by_class)
    table = paired_differences(trained.photos["filename"], trained.ground_truth, *matches, classes)
    table = table.rename(columns=DIFFERENCE_COLUMNS)[list(DIFFERENCE_COLUMNS.values())]
    shown = metrics.above_threshold(trained.detections, thresholds.by_class).reset_index(drop=True)
    return SplitFigures(table, len(trained.photos), len(shown), *_largest_differences(shown, scored.detections))


def _largest_differences(shown: pd.DataFrame, detections: pd.DataFrame) -> tuple[int, float, float]:
    """How many of the shown detections have no counterpart, and the largest differences of scores and coordinates."""
    matched = metrics.match_detections(shown.assign(difficult=False), detections)
    pairs = matched[matched["verdict"] == TRUE_POSITIVE]
    counterparts = shown.loc[pairs["ground_truth"]]
    lost = len(shown) - len(pairs)
    if not len(pairs):
        return lost, math.nan, math.nan
    differences = [
        float(np.abs(pairs[columns].to_numpy() - counterparts[columns].to_numpy()).max())
        for columns in (["score"], CORNERS)
    ]
    return lost, *differences


def measure_speed(exports: Mapping[str, Path], model: Path, index: Index) -> SpeedRecord:
    """Times the trained model and every format in turn, on all cores and on one, on photos of val.

    Args:
        exports: the file or folder of each format.
        model: the folder of the trained model.
        index: of the TFRecords.

    Raises:
        UserError: a format cannot be loaded or run; names it.
    """
    candidates = {TRAINED: Candidate(model)}
    for name, path in exports.items():
        for runtime in installed_runtimes(name):
            candidates[format_name(name, runtime)] = Candidate(path, runtime)
    photos = inputs.first_photos(index, "val", PHOTOS_TO_TIME)
    all_cores, one_core = (speed.measure(candidates, photos, threads) for threads in (None, 1))
    return speed_record.of_speeds(dvc_hash.path_hash(model), all_cores, one_core)
