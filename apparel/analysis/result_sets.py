"""One side of a comparison: what eval wrote at a commit, in an experiment, in the workspace, or told an MLflow run.

All of it may come from elsewhere, a DVC remote or a server, and is checked.
"""

import re
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from apparel import boxes, params, paths
from apparel.boxes import CORNERS, LABEL_COLUMNS, PHOTO_COLUMNS
from apparel.classes import ALL
from apparel.errors import UserError, one_line
from apparel.params import flatten
from apparel.tracking.server import clean_name
from apparel.utils import csv_tables, yaml
from apparel.versioning import dvc_lock, git

if TYPE_CHECKING:
    from dvc.api import DVCFileSystem

    from apparel.tracking.reader import Reader, StoredRun

WORKSPACE = "workspace"
NEEDED = (paths.DETECTIONS, paths.GROUND_TRUTH, paths.TEST_PHOTOS, paths.PER_CLASS)
RUN_ID = re.compile("[0-9a-f]{32}")


@dataclass(frozen=True)
class Side:
    """What was measured on the test split, and from what.

    Attributes:
        name: as it was asked for.
        photos: a photo table with `sha256`, all photos that were scored.
        ground_truth: a ground truth table.
        detections: a detections table.
        thresholds: the score from which on a detection of a class is shown; its keys are the classes, in order.
        params: what it was made with, as text by dotted name.
        data: DVC's hash of each input, by path.
        code: DVC's hash of each file of code that made it, by path; only the commit for an MLflow run.
        model: DVC's hash of the trained model, or None.
        run: MLflow's id of the run, or None where it is not known yet.
        photo: the bytes of the photo of a name; raises OSError or UserError where it is not at hand.
    """

    name: str
    photos: pd.DataFrame
    ground_truth: pd.DataFrame
    detections: pd.DataFrame
    thresholds: dict[str, float]
    params: dict[str, str]
    data: dict[str, str]
    code: dict[str, str]
    model: str | None
    run: str | None
    photo: Callable[[str], bytes]


def load(what: str, runs: Callable[[], "Reader"]) -> Side:
    """The side of that name: `workspace`, an MLflow run's id, a commit or experiment, or an MLflow run's name.

    Args:
        what: its name.
        runs: connects to MLflow; called only where it is needed.

    Raises:
        UserError: there is no such thing, or it has no results, or they are damaged.
    """
    if what == WORKSPACE:
        return _of_revision(what, dvc_lock.workspace(), None)
    if not RUN_ID.fullmatch(what):
        with suppress(LookupError):
            revision = git.resolve(what)
            return _of_revision(what, dvc_lock.at(revision), revision)
    run = runs().find(what)
    if run is None:
        raise UserError(
            f"'{what}' is no commit or experiment here and no run in MLflow; "
            "`dvc exp list --all-commits` and `python -m apparel ui` list them"
        )
    return _of_run(what, run, runs())


def _of_revision(name: str, lock: dvc_lock.Lock, revision: str | None) -> Side:
    from dvc.api import DVCFileSystem
    from dvc.exceptions import NotDvcRepoError

    try:
        files = DVCFileSystem(rev=revision)
    except NotDvcRepoError:
        raise UserError("this is no DVC project; run from the project's root folder") from None
    with tempfile.TemporaryDirectory() as folder:
        for path in NEEDED:
            _copy(files, path, Path(folder, path.name), name)
        measured = _tables(Path(folder))
    chosen = _params(files)
    photos = paths.photos(chosen.get("data.name", "")).as_posix()
    read = {path: md5 for stage in lock.stages for path, md5 in lock.deps(stage).items() if not _is_result(path)}
    return Side(
        name=name,
        **measured,
        params=chosen,
        data={path: md5 for path, md5 in read.items() if _is_data(path)},
        code={path: md5 for path, md5 in read.items() if not _is_data(path)},
        model=lock.hashes().get(paths.MODEL.as_posix()),
        run=None,
        photo=lambda photo: files.read_bytes(f"{photos}/{photo}"),
    )


def _is_result(path: str) -> bool:
    return PurePosixPath(path).is_relative_to(paths.RESULTS)


def _is_data(path: str) -> bool:
    return PurePosixPath(path).is_relative_to(paths.DATA) and not path.endswith(".py")


def _copy(files: "DVCFileSystem", path: Path, target: Path, name: str) -> None:
    from dvc.exceptions import DvcException

    try:
        files.get_file(path.as_posix(), str(target))
    except FileNotFoundError:
        raise UserError(
            f"{name} has no {path.as_posix()}: either nothing was measured there, or its results are not in the cache; "
            "`dvc repro` measures, `dvc fetch` and `dvc exp pull` bring results from a remote"
        ) from None
    except (DvcException, OSError) as error:
        raise UserError(f"{path.as_posix()} of {name} cannot be had: {one_line(error)}") from None


def _of_run(name: str, run: "StoredRun", reader: "Reader") -> Side:
    with tempfile.TemporaryDirectory() as folder:
        fetched = [reader.fetch(run.id, f"eval/{path.name}", Path(folder)) for path in NEEDED]
        measured = _tables(fetched[0].parent)  # in `eval` or not, as the kind of store has it
    photos = paths.photos(params.parse_name(run.params.get("data.name", ""), f"data.name of MLflow's run {run.id}"))
    commit = run.tags.get("eval.git.commit") or run.tags.get("mlflow.source.git.commit", "")
    dirty = " and uncommitted changes" if run.tags.get("eval.git.dirty") == "true" else ""
    return Side(
        name=run.name if RUN_ID.fullmatch(name) else name,
        **measured,
        params=run.params,
        data={path: md5 for path, md5 in run.data.items() if not _is_result(path)},
        code={"commit": commit[:10] + dirty} if commit else {},
        model=run.tags.get(paths.MODEL.as_posix()),
        run=run.id,
        photo=lambda photo: (photos / photo).read_bytes(),
    )


def _tables(folder: Path) -> dict[str, Any]:
    """The four files as a `Side` has them.

    Raises:
        UserError: one is damaged.
    """
    where = {path.name: folder / path.name for path in NEEDED}
    listed = csv_tables.read(where[paths.TEST_PHOTOS.name], [*PHOTO_COLUMNS, "sha256"])
    photos = boxes.check_photos(listed[PHOTO_COLUMNS], paths.TEST_PHOTOS.name, "line")
    photos = photos.merge(listed[["filename", "sha256"]], on="filename")
    marked = csv_tables.read(where[paths.GROUND_TRUTH.name], [*LABEL_COLUMNS, "difficult"])
    truth = [
        boxes.check(marked.loc[marked["difficult"] == text, LABEL_COLUMNS], paths.GROUND_TRUTH.name, "line").assign(
            difficult=text == "True"
        )
        for text in ("False", "True")
    ]
    columns = ["filename", "class", "score", *CORNERS]
    detections = csv_tables.read(where[paths.DETECTIONS.name], columns).reset_index(drop=True)
    detections[columns[2:]] = _numbers(detections[columns[2:]], paths.DETECTIONS)
    per_class = csv_tables.read(where[paths.PER_CLASS.name], ["split", "class", "threshold"])
    per_class = per_class[(per_class["split"] == "test") & (per_class["class"] != ALL)].set_index("class")
    thresholds = _numbers(per_class[["threshold"]], paths.PER_CLASS)["threshold"].to_dict()
    truth = pd.concat(truth).sort_values(["filename", "class", *CORNERS], ignore_index=True)
    for table, path in ((truth, paths.GROUND_TRUTH), (detections, paths.DETECTIONS)):
        if not (table["filename"].isin(photos["filename"]) & table["class"].isin(thresholds.keys())).all():
            raise UserError(f"{path.as_posix()} names photos or classes that were not scored; `dvc repro --force eval`")
    return {"photos": photos, "ground_truth": truth, "detections": detections, "thresholds": thresholds}


def _numbers(texts: pd.DataFrame, path: Path) -> pd.DataFrame:
    numbers = texts.apply(pd.to_numeric, errors="coerce").astype(float)
    if not np.isfinite(numbers).all(axis=None):
        raise UserError(f"{path.as_posix()} is damaged: not all of its {', '.join(texts)} are numbers")
    return numbers


def _params(files: "DVCFileSystem") -> dict[str, str]:
    """As `Params.flat`, but of whatever a revision holds: older ones may have other keys."""
    try:
        sections = yaml.parse(files.read_bytes(paths.PARAMS.as_posix()), paths.PARAMS.name)
        return {name: str(value) for name, value in flatten(sections, join_lists=True).items()}
    except (UserError, OSError, AttributeError) as error:
        raise UserError(f"{paths.PARAMS} cannot be read there: {one_line(error)}") from None


def run_of(side: Side, reader: "Reader") -> str | None:
    """MLflow's id of the run that a side's model was trained in, where MLflow knows it."""
    if side.run or not side.model:
        return side.run
    found = reader.tagged(**{clean_name(paths.MODEL.as_posix()): side.model})
    return found[0].id if found else None
