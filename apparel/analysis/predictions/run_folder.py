"""Folder of a prediction run: its header with the model and the options; one run at a time works in it."""

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from apparel.errors import UserError
from apparel.utils import files, limits
from apparel.utils.addresses import mask_options
from apparel.utils.locking import only_one

PREDICTIONS = Path("predictions")
"""Folder of all runs; git and DVC ignore it."""

HEADER = "run.json"
LOCK = ".lock"


@dataclass(frozen=True)
class RunHeader:
    """What a run's results depend on.

    Attributes:
        version: the project's.
        model: DVC's hash of the trained model.
        detector: name of its pipeline file.
        file: folder or file that was loaded, relative to the working directory where it lies below.
        runtime: what ran it.
        thresholds: score by class.
        lowest_score: lowest score of a detection that is written; None: the thresholds.
        outputs: further outputs, such as `pictures`.
        sources: photos, folders and so on, as typed.
        command: the whole command line.
    """

    version: str
    model: str
    detector: str
    file: str
    runtime: str
    thresholds: dict[str, float]
    lowest_score: float | None
    outputs: list[str]
    sources: list[str]
    command: str


FREE = ("command", "file", "version")
"""Fields that may differ where a run goes on."""

MAKER = ("version", "model", "detector", "runtime", "thresholds", "lowest_score")
"""Fields that say who made labels, without those that name places of one machine."""


def maker(header: RunHeader) -> dict[str, Any]:
    """Who makes the labels of a run: what they depend on besides the photos."""
    return {name: value for name, value in asdict(header).items() if name in MAKER}


def default_folder(sources: Sequence[str]) -> Path:
    """The folder of a run on these sources, named after the first of them."""
    name = re.sub(r"[^\w.-]+", "-", PurePosixPath(sources[0].rstrip("/\\").replace("\\", "/")).name).strip("-.")
    return PREDICTIONS / (name[:80] or "photos")


@contextmanager
def open_folder(folder: Path, header: RunHeader) -> Iterator[None]:
    """Holds the folder of a run, new or begun by the same command, and writes its header.

    Raises:
        UserError: another run works in it, or it holds another run, or other files.
    """
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file; name another folder with --out")
    busy = f"another `apparel predict` works in {folder}; wait until it ends, or name another folder with --out"
    if folder.is_dir() and not (folder / HEADER).exists() and any(path.name != LOCK for path in folder.iterdir()):
        raise UserError(f"{folder} holds other files than those of a prediction run; name another folder with --out")
    with only_one(folder / LOCK, busy):
        if (folder / HEADER).exists():
            _check_same(folder, header)
        else:
            files.write_json(folder / HEADER, asdict(header) | {"sources": [mask_options(s) for s in header.sources]})
        yield


def _check_same(folder: Path, header: RunHeader) -> None:
    """Raises a `UserError` where the run in the folder is one of another model, other options or other photos."""
    remedy = "name another folder with --out, or delete this one"
    try:
        begun = json.loads(limits.read_bytes(folder / HEADER, limits.MAX_YAML_BYTES))
        now = json.loads(json.dumps(asdict(header) | {"sources": [mask_options(s) for s in header.sources]}))
        differing = [name for name in now if name not in FREE and begun[name] != now[name]]
        if differing:
            name = differing[0]
            raise UserError(
                f"{folder} holds a run with another {name.replace('_', ' ').removesuffix('s')} ({begun[name]}, now "
                f"{now[name]}); {remedy}"
            )
    except (ValueError, TypeError, KeyError, RecursionError):
        raise UserError(f"{folder / HEADER} is damaged; {remedy}") from None
