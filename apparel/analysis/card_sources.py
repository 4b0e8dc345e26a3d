"""Sources of a model card: counts of the data set, licences of data and weights, and the model's lineage."""

import csv
import io
import json
from dataclasses import dataclass
from pathlib import Path

from apparel import paths
from apparel.analysis.result_sets import ResultSet
from apparel.tracking.reader import StoredRun
from apparel.utils.addresses import address_only
from apparel.versioning import dvc_lock

UNKNOWN = "unknown"

MEANING = (
    "AP50 is average precision as PASCAL VOC defines it (all points, IoU at least 0.5), COCO AP the mean over IoU 0.50 "
    "to 0.95. Precision and recall are those of the detections with a score at or above the threshold of their class, "
    "which was chosen on val."
)

SIZES = (
    "Sizes are areas of the labelled boxes, in pixels of the photo (COCO's ranges) and as a share of the photo. Wrong "
    "detections count by their own size."
)

SUMMARY = paths.SPLIT / "summary.csv"
SPLIT_PHOTOS = paths.SPLIT / "photos.csv"


@dataclass(frozen=True)
class Sources:
    """What a card says of data, licences and lineage.

    Attributes:
        counts: boxes in train, val, test and in all by class, as texts; None if unknown.
        photos_text: how many photos are in which split, as a sentence; empty if unknown.
        licences: what, where it came from, and its licence.
        lineage: names and values.
        parameters: params.yaml as text, by dotted name.
    """

    counts: list[tuple[str, ...]] | None
    photos_text: str
    licences: list[tuple[str, str, str]]
    lineage: list[tuple[str, str]]
    parameters: dict[str, str]


def find(results: ResultSet, run: StoredRun, revision: str | None) -> Sources:
    """What is known of a model's data, licences and lineage.

    Args:
        results: of the model.
        run: MLflow's run that trained it.
        revision: the commit or experiment that has the model; None if none has.
    """
    reader = _FileReader(revision, results.model)
    return Sources(
        counts=_counts(reader.read(SUMMARY)),
        photos_text=_photos_text(reader.read(SPLIT_PHOTOS)),
        licences=_licences(results, reader),
        lineage=_lineage(results, run, revision),
        parameters={name: value for name, value in results.params.items() if not name.startswith("draw.")},
    )


class _FileReader:
    """Reads the project's files as they were with a model: at its commit, or here if the model is the one here."""

    def __init__(self, revision: str | None, model: str | None) -> None:
        from dvc.api import DVCFileSystem

        here = model is not None and dvc_lock.read_workspace().maker_of(model) is not None
        self._files = DVCFileSystem(rev=revision) if revision or here else None

    def read(self, path: Path) -> bytes | None:
        """The content of a file that git or DVC has; None if it is not at hand."""
        from dvc.exceptions import DvcException

        if self._files is None:
            return None
        try:
            return self._files.read_bytes(path.as_posix())
        except (DvcException, OSError):
            return None


def _counts(content: bytes | None) -> list[tuple[str, ...]] | None:
    if content is None:
        return None
    rows = list(csv.reader(io.StringIO(content.decode("utf-8"))))[1:]
    return [tuple(row) for row in rows]


def _photos_text(content: bytes | None) -> str:
    if content is None:
        return ""
    splits = [row.get("split", "") for row in csv.DictReader(io.StringIO(content.decode("utf-8")))]
    counts = [f"{splits.count(name)} in {name}" for name in ("train", "val", "test") if name in splits]
    return f"Photos: {', '.join(counts)}. Boxes by class and split:" if counts else "Boxes by class and split:"


def _licences(results: ResultSet, reader: _FileReader) -> list[tuple[str, str, str]]:
    data, checkpoint = results.params.get("data.name", ""), results.params.get("train.checkpoint", "")
    if data == "demo":
        of_data = ("drawn by the stage draw", "that of this project, see LICENSE")
    else:
        of_data = _record(reader, paths.DATA / data / "source.json")
    if checkpoint == "none":
        of_weights = ("none: training started from random weights", "none needed")
    else:
        of_weights = _record(reader, paths.PRETRAINED / f"{checkpoint}.source.json")
    rows = [(f"data set {data or UNKNOWN}", *of_data), (f"starting weights {checkpoint or UNKNOWN}", *of_weights)]
    unlabelled = results.params.get("data.unlabelled", "none")
    if unlabelled != "none":
        rows.append((f"photos {unlabelled}", *_record(reader, paths.UNLABELLED / f"{unlabelled}.source.json")))
    return rows


def _record(reader: _FileReader, path: Path) -> tuple[str, str]:
    """Source and licence that the record of an import names."""
    try:
        record = json.loads(reader.read(path) or b"")
        source = " ".join(str(record[key]) for key in ("source", "revision") if record.get(key))
        licence = record.get("licence") or record.get("license") or UNKNOWN
        return address_only(source) or UNKNOWN, str(licence)
    except (ValueError, AttributeError, TypeError):
        return UNKNOWN, UNKNOWN


def _lineage(results: ResultSet, run: StoredRun, revision: str | None) -> list[tuple[str, str]]:
    commit = run.tags.get("mlflow.source.git.commit", UNKNOWN)
    dirty = {"true": "yes, see changes.patch of the run", "false": "no"}.get(run.tags.get("git.dirty", ""), UNKNOWN)
    versions = [
        (name.removeprefix("version."), value)
        for name, value in sorted(run.tags.items())
        if name.startswith("version.")
    ]
    return [
        ("model, DVC's hash", results.model or UNKNOWN),
        ("MLflow's run", f"{run.id} ({run.name})"),
        ("commit or experiment with this model", revision or "none yet: dvc.lock is not committed"),
        ("commit that trained it", commit),
        ("uncommitted changes then", dirty),
        ("machine", ", ".join(run.tags.get(f"machine.{name}", UNKNOWN) for name in ("cpu", "os"))),
        ("versions", ", ".join(f"{name} {value}" for name, value in versions) or UNKNOWN),
    ]
