"""Trained models with their exports as local files: of the workspace, of commits and of experiments."""

import json
import math
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from apparel import paths
from apparel.analysis import several_models
from apparel.analysis.result_sets import WORKSPACE
from apparel.errors import UserError
from apparel.evaluation import export_figures
from apparel.evaluation.export_figures import TRAINED, FormatFigures, format_name
from apparel.utils import files, limits
from apparel.utils.addresses import reason
from apparel.versioning import dvc_hash, git

if TYPE_CHECKING:
    from dvc.api import DVCFileSystem

MAX_JSON_BYTES = 10_000_000
"""Bytes of `export.json` and `metrics.json`; those of ten formats and a hundred classes have a tenth."""


@dataclass(frozen=True)
class Choice:
    """One model in one format on one runtime.

    Attributes:
        result: commit, experiment or `workspace`.
        format: `trained model`, or such as `tflite`.
        runtime: what runs it.
        map50: mAP50 on test, 0 to 1; nan where undefined.
        size: bytes of its files.
        photos: DVC's hash of the list of test photos that `map50` was measured on; empty if it is not recorded.
        detector, width, height: its network and the pixels of its input; empty and 0 until it is timed.
        ms: milliseconds a photo, one at a time, the network alone; nan until it is timed.
        batch_ms: the same in batches; nan where it takes one photo at a time.
        memory: peak memory in bytes.
        processor: what it was timed on.
    """

    result: str
    format: str
    runtime: str
    map50: float
    size: int
    photos: str
    detector: str = ""
    width: int = 0
    height: int = 0
    ms: float = math.nan
    batch_ms: float = math.nan
    memory: int = 0
    processor: str = ""

    @property
    def name(self) -> str:
        """The result with its format."""
        return f"{self.result}, {format_name(self.format, self.runtime)}"


@dataclass(frozen=True)
class Model:
    """A trained model with its exports, as local files.

    Attributes:
        result: commit, experiment or `workspace`.
        hash: DVC's, of the trained model.
        choices: the trained model and its exports.
        paths: the file or folder of each choice.
    """

    result: str
    hash: str
    choices: list[Choice]
    paths: list[Path]


@contextmanager
def load_models(names: Sequence[str]) -> Iterator[tuple[list[Model], list[str]]]:
    """The models of these names with their exports, and notes on what was left out.

    Args:
        names: commits, experiments or `workspace`; none: the workspace, and all experiments that have exports.

    Raises:
        UserError: a name is unknown, or has no trained model; or there is nothing at all.
    """
    with tempfile.TemporaryDirectory() as temporary:
        models, left_out = [], []
        chosen = names or [WORKSPACE, *sorted(git.experiments())]
        for number, name in enumerate(tqdm(chosen, desc="loading", unit=" models", delay=1, leave=False)):
            try:
                model = _workspace() if name == WORKSPACE else _revision(name, Path(temporary, str(number)), not names)
                models += [model] if model else []
                left_out += [] if model else [f"{name} has no exports"]
            except UserError as error:
                if names:
                    raise
                left_out.append(str(error))
        if not models:
            raise UserError("no trained model here: `dvc repro` trains one; export.formats in params.yaml exports it")
        yield models, [f"left out: {'; '.join(left_out)}"] if left_out else []


def _workspace() -> Model:
    if not paths.MODEL.is_dir():
        raise UserError(f"the workspace has no trained model ({paths.MODEL.as_posix()}): `dvc repro` trains it")
    metrics = _read(paths.METRICS) if paths.METRICS.is_file() else None
    photos = dvc_hash.path_hash(paths.TEST_PHOTOS) if paths.TEST_PHOTOS.is_file() else ""
    return _model(WORKSPACE, metrics, photos, Path())


def _read(path: Path) -> bytes:
    return limits.read_bytes(path, MAX_JSON_BYTES)


def _revision(name: str, folder: Path, exports_only: bool) -> Model | None:
    """The model of a commit or experiment, its files copied into `folder`; None if it has no exports but should."""
    from dvc.api import DVCFileSystem

    several_models.refuse(
        name, "apparel compare --speed", "`apparel ensemble eval NAME` prints milliseconds of each member and of all"
    )
    try:
        revision = git.resolve(name)
    except LookupError:
        raise UserError(
            f"'{name}' is no commit or experiment here; `dvc exp list --all-commits` lists experiments"
        ) from None
    revision_files = DVCFileSystem(rev=revision)
    exported = [each for each in paths.EXPORTS if revision_files.isfile(paths.export_report(each).as_posix())]
    if not exported and exports_only:
        return None
    for path in (paths.MODEL, *(paths.export_report(each).parent for each in exported)):
        _copy(revision_files, path, folder, name)
    metrics, photos = (_read_if_there(revision_files, path) for path in (paths.METRICS, paths.TEST_PHOTOS))
    return _model(name, metrics, dvc_hash.bytes_md5(photos) if photos else "", folder)


def _read_if_there(revision_files: "DVCFileSystem", path: Path) -> bytes | None:
    from dvc.exceptions import DvcException

    with suppress(DvcException, OSError):
        return revision_files.read_bytes(path.as_posix())
    return None


def _copy(revision_files: "DVCFileSystem", path: Path, folder: Path, name: str) -> None:
    """Copies a folder of a revision below `folder`, at its own path."""
    from dvc.exceptions import DvcException

    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        revision_files.get(path.as_posix(), target.as_posix(), recursive=True)
    except (DvcException, OSError) as error:
        raise UserError(
            f"{path.as_posix()} of {name} cannot be read: {reason(error)}; "
            "`dvc fetch` and `dvc exp pull` bring results from a remote"
        ) from None


def _model(result: str, metrics: bytes | None, photos: str, root: Path) -> Model:
    """The model and its exports below `root`, where they lie at their own paths."""
    folder = root / paths.MODEL
    model, size = dvc_hash.path_hash(folder), sum(file.stat().st_size for file in files.below(folder))
    choices, exported_files = [Choice(result, TRAINED, "TensorFlow", _test_map50(metrics), size, photos)], [folder]
    for name in paths.EXPORTS:
        report = root / paths.export_report(name)
        if not report.is_file():
            continue
        of_model, measured = export_figures.read_json(_read(report), f"{paths.export_report(name)} of {result}")
        if of_model != model:
            raise UserError(f"the {name} of {result} is of another model than the one it has: `dvc repro` exports it")
        exported = [figures for figures in measured if figures.format == name]
        choices += [_choice(result, figures, photos) for figures in exported]
        exported_files += [root / paths.EXPORTS[name]] * len(exported)
    return Model(result, model, choices, exported_files)


def _choice(result: str, figures: FormatFigures, photos: str) -> Choice:
    return Choice(result, figures.format, figures.runtime, figures.splits["test"].map50, figures.size, photos)


def _test_map50(metrics: bytes | None) -> float:
    try:
        value: Any = json.loads(metrics)["test"]["mAP50"]
        return math.nan if value is None else float(value)
    except (ValueError, LookupError, TypeError):
        return math.nan
