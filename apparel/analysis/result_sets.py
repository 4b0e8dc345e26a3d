"""Result sets: what eval measured at a commit, in an experiment, in the workspace, or in an MLflow run.

Their files may come from a DVC remote or a server and are validated.
"""

import json
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
from apparel.evaluation.report import judged_rows
from apparel.tracking import local_runs
from apparel.tracking.server import clean_name
from apparel.utils import csv_tables, yaml
from apparel.utils.addresses import reason
from apparel.utils.nested import flatten
from apparel.versioning import dvc_lock, git

if TYPE_CHECKING:
    from dvc.api import DVCFileSystem

    from apparel.tracking.reader import Reader, StoredRun

WORKSPACE = "workspace"
"""Name of the results in the workspace."""

NEEDED = (paths.DETECTIONS, paths.GROUND_TRUTH, paths.TEST_PHOTOS, paths.PER_CLASS)
RUN_ID = re.compile("[0-9a-f]{32}")


@dataclass(frozen=True)
class ResultSet:
    """Detections on the judged split with their ground truth, and what the model was made from.

    Attributes:
        name: commit, experiment or run as the user named it, or `workspace`.
        photos: photo table of all scored photos, with `sha256`.
        ground_truth: ground truth table, with `difficult`.
        detections: table with `filename`, `class`, `score` in 0..1, and corners in pixels.
        thresholds: lowest score of a shown detection by class; its keys are all classes, in their order.
        params: parameters as text, by dotted name.
        data: DVC's hash of each input, by path.
        code: DVC's hash of each file of code, by path; of an MLflow run only the commit, as `commit`.
        model: DVC's hash of the trained model, or None.
        run: MLflow's id of the run, or None if it was not looked up.
        read_photo: returns the bytes of the photo of a name; raises OSError or UserError if it is missing.
        split: what was judged: test, or val, as with `split.fold`; of a cross-validation `out-of-fold`.
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
    read_photo: Callable[[str], bytes]
    split: str = "test"


def load(name: str, reader: Callable[[], "Reader"]) -> ResultSet:
    """The results of that name: `workspace`, an MLflow run's id, a commit or experiment, or an MLflow run's name.

    Args:
        name: looked up in this order.
        reader: connects to MLflow; called only if it is needed.

    Raises:
        UserError: nothing has that name, or it has no results, or they are damaged.
    """
    if name == WORKSPACE:
        return _from_revision(name, dvc_lock.read_workspace(), None)
    refusal = git.refusal()
    if not refusal and not RUN_ID.fullmatch(name):
        with suppress(LookupError):
            revision = git.resolve(name)
            return _from_revision(name, dvc_lock.read_commit(revision), revision)
    run = reader().find(name)
    if run is None and refusal:
        raise UserError(f"'{name}' is no run in MLflow, and whether it is a commit cannot be told: {refusal}")
    if run is None:
        raise UserError(
            f"'{name}' is no commit or experiment here and no run in MLflow; "
            "`dvc exp list --all-commits` and `apparel ui` list them"
        )
    return _from_run(name, run, reader())


def _from_revision(name: str, lock: dvc_lock.Lock, revision: str | None) -> ResultSet:
    from dvc.api import DVCFileSystem
    from dvc.exceptions import NotDvcRepoError

    try:
        files = DVCFileSystem(rev=revision)
    except NotDvcRepoError:
        raise UserError("this is no DVC project; run from the project's root folder") from None
    with tempfile.TemporaryDirectory() as folder:
        for path in NEEDED:
            fetch_output(files, path, Path(folder, path.name), name)
        tables = read_tables(Path(folder))
    params_then = _read_params(files)
    photos = paths.photos(params_then.get("data.name", "")).as_posix()
    data, code = inputs_of(lock)
    return ResultSet(
        name=name,
        **tables,
        params=params_then,
        data=data,
        code=code,
        model=lock.hashes().get(paths.MODEL.as_posix()),
        run=None,
        read_photo=lambda photo: files.read_bytes(f"{photos}/{photo}"),
    )


def inputs_of(lock: dvc_lock.Lock) -> tuple[dict[str, str], dict[str, str]]:
    """DVC's hashes of the data and of the code that a pipeline's results are made of, by path."""
    inputs = {path: md5 for stage in lock.stages for path, md5 in lock.deps(stage).items() if not _is_result(path)}
    data = {path: md5 for path, md5 in inputs.items() if _is_data(path)}
    return data, {path: md5 for path, md5 in inputs.items() if path not in data}


def _is_result(path: str) -> bool:
    return PurePosixPath(path).is_relative_to(paths.RESULTS)


def _is_data(path: str) -> bool:
    return PurePosixPath(path).is_relative_to(paths.DATA) and not path.endswith(".py")


def fetch_output(files: "DVCFileSystem", path: Path, target: Path, name: str) -> None:
    """Writes a file of a revision's results to `target`; `name` is the revision as the user named it.

    Raises:
        UserError: eval did not run there, or the file is not in the cache.
    """
    from dvc.exceptions import DvcException

    try:
        files.get_file(path.as_posix(), str(target))
    except FileNotFoundError:
        raise UserError(
            f"{name} has no {path.as_posix()}: either eval did not run there, or its results are not in the cache; "
            "`dvc repro` runs eval, `dvc fetch` and `dvc exp pull` bring results from a remote"
        ) from None
    except (DvcException, OSError) as error:
        raise UserError(f"{path.as_posix()} of {name} cannot be read: {reason(error)}") from None


def _from_run(name: str, run: "StoredRun", reader: "Reader") -> ResultSet:
    with tempfile.TemporaryDirectory() as folder:
        files = [reader.fetch(run.id, f"eval/{path.name}", Path(folder)) for path in NEEDED]
        tables = read_tables(files[0].parent)  # `folder` or `folder/eval`, which depends on the kind of store
    photos = paths.photos(params.parse_name(run.params.get("data.name", ""), f"data.name of MLflow's run {run.id}"))
    commit = run.tags.get("eval.git.commit") or run.tags.get("mlflow.source.git.commit", "")
    dirty = " and uncommitted changes" if run.tags.get("eval.git.dirty") == "true" else ""
    return ResultSet(
        name=run.name if RUN_ID.fullmatch(name) else name,
        **tables,
        params=run.params,
        data={path: md5 for path, md5 in run.data.items() if not _is_result(path)},
        code={"commit": commit[:10] + dirty} if commit else {},
        model=run.tags.get(paths.MODEL.as_posix()),
        run=run.id,
        read_photo=lambda photo: (photos / photo).read_bytes(),
    )


def read_summary(path: Path, remedy: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The summary of results that a command keeps in this clone, with what a `ResultSet` takes from it.

    Args:
        path: the JSON file, with `params`, `data`, `code` and `run`.
        remedy: what writes it anew.

    Returns:
        The summary; and params, data, code, model (None), run, and read_photo for names of photos, with or without a
        number of the seed before them.

    Raises:
        UserError: the file is missing or damaged.
    """
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
        settings = {key: dict(summary[key]) for key in ("params", "data", "code")}
        photos = paths.photos(params.parse_name(settings["params"]["data.name"], str(path)))
        settings["run"] = local_runs.mlflow_id(str(summary["run"])) if summary["run"] else None
    except (OSError, ValueError, LookupError, TypeError):
        raise UserError(f"{path} is damaged; {remedy}") from None
    return summary, settings | {
        "model": None,
        "read_photo": lambda photo: (photos / photo.rpartition("/")[2]).read_bytes(),
    }


def read_tables(folder: Path) -> dict[str, Any]:
    """The fields of a `ResultSet` that eval wrote as CSV files, validated.

    Raises:
        UserError: a file is damaged.
    """
    photos, ground_truth = _read_photos(folder), _read_ground_truth(folder)
    detections, (thresholds, split) = _read_detections(folder), _read_thresholds(folder)
    for table, path in ((ground_truth, paths.GROUND_TRUTH), (detections, paths.DETECTIONS)):
        if not (table["filename"].isin(photos["filename"]) & table["class"].isin(thresholds.keys())).all():
            raise UserError(f"{path.as_posix()} names photos or classes that were not scored; `dvc repro --force eval`")
    tables = {"photos": photos, "ground_truth": ground_truth, "detections": detections}
    return tables | {"thresholds": thresholds, "split": split}


def _read_photos(folder: Path) -> pd.DataFrame:
    texts = csv_tables.read(folder / paths.TEST_PHOTOS.name, [*PHOTO_COLUMNS, "sha256"])
    photos = boxes.validate_photos(texts[PHOTO_COLUMNS], paths.TEST_PHOTOS.name, "line")
    return photos.merge(texts[["filename", "sha256"]], on="filename")


def _read_ground_truth(folder: Path) -> pd.DataFrame:
    texts = csv_tables.read(folder / paths.GROUND_TRUTH.name, [*LABEL_COLUMNS, "difficult"])
    parts = [
        boxes.validate_labels(
            texts.loc[texts["difficult"] == flag, LABEL_COLUMNS], paths.GROUND_TRUTH.name, "line"
        ).assign(difficult=flag == "True")
        for flag in ("False", "True")
    ]
    return pd.concat(parts).sort_values(["filename", "class", *CORNERS], ignore_index=True)


def _read_detections(folder: Path) -> pd.DataFrame:
    numbers = ["score", *CORNERS]
    detections = csv_tables.read(folder / paths.DETECTIONS.name, ["filename", "class", *numbers])
    detections = detections.reset_index(drop=True)
    detections[numbers] = _parse_numbers(detections[numbers], paths.DETECTIONS)
    return detections


def _read_thresholds(folder: Path) -> tuple[dict[str, float], str]:
    """The thresholds by class, and the split that was judged."""
    per_class = csv_tables.read(folder / paths.PER_CLASS.name, ["split", "class", "threshold"])
    per_class = judged_rows(per_class)
    split = params.judged_split(set(per_class["split"]))
    per_class = per_class[per_class["class"] != ALL].set_index("class")
    return _parse_numbers(per_class[["threshold"]], paths.PER_CLASS)["threshold"].to_dict(), split


def _parse_numbers(texts: pd.DataFrame, path: Path) -> pd.DataFrame:
    numbers = texts.apply(pd.to_numeric, errors="coerce").astype(float)
    if not np.isfinite(numbers).all(axis=None):
        raise UserError(f"{path.as_posix()} is damaged: not all of its {', '.join(texts)} are numbers")
    return numbers


def _read_params(files: "DVCFileSystem") -> dict[str, str]:
    """The parameters of a revision as text, by dotted name; not validated, since older ones may have other keys."""
    try:
        sections = yaml.parse(files.read_bytes(paths.PARAMS.as_posix()), paths.PARAMS.name)
        return {name: str(value) for name, value in flatten(sections, join_lists=True).items()}
    except (UserError, OSError, AttributeError) as error:
        raise UserError(f"{paths.PARAMS} cannot be read there: {one_line(error)}") from None


def find_run(results: ResultSet, reader: "Reader") -> str | None:
    """MLflow's id of the run that trained the model of these results, or None if MLflow has no such run."""
    if results.run or not results.model:
        return results.run
    runs = reader.tagged(**{clean_name(paths.MODEL.as_posix()): results.model})
    return runs[0].id if runs else None
