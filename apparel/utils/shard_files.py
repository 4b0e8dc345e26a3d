"""Shards of a long piece of work, each with its result in a file of its own that is whole or not there.

What a shard's work depends on (function, items, the state of their files, the project's code, the installed packages)
is hashed into the names of its files. So a run that was killed goes on with the shards that lack a result, and a shard
whose inputs changed is another shard. Work and items are pickled, as for Python's own pools of processes: whoever may
write to the folder decides what the workers do, as with the code that lies beside it.
"""

import functools
import hashlib
import json
import os
import pickle
import shutil
import threading
import uuid
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from apparel import errors
from apparel.errors import UserError
from apparel.utils import files

CODE = Path(__file__).parents[1]
"""The package `apparel`."""

Work = Callable[[Any, Path], None]
"""Gets a shard's items and the path of the file to write the result to; pickled, so a function of a module."""

_ALONE = threading.Lock()
"""Held while a shard is done: runners give a process several, which would take as much more memory, and networks are
not made for several threads."""

WORK, RESULT, DONE, ERROR = ".work", ".result", ".done", ".error"
"""Suffixes of a shard's files: what to do; the result; its checksum, written last; why there is none."""


class Shard(NamedTuple):
    """A shard by its key, with the number of photos or files in it."""

    key: str
    count: int


def file_state(path: Path) -> tuple[int, ...] | None:
    """What changes when a file is written: its size, and the times of its content and of its entry, nanoseconds."""
    try:
        status = path.stat()
    except (OSError, ValueError):  # a zero byte in a path is a ValueError
        return None
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def prepare(folder: Path, work: Work, items: Any, states: Any, count: int) -> Shard:
    """Writes what a worker has to do for a shard.

    Args:
        folder: of all shards of this work.
        work: what is called.
        items: of this shard.
        states: of the files that the work reads.
        count: of photos or files, for the progress bar.
    """
    content = pickle.dumps((work, items, Path.cwd()), protocol=5)
    key = hashlib.sha256(content + repr(states).encode() + _versions()).hexdigest()[:40]
    path = folder / f"{key}{WORK}"
    if not path.is_file() or path.read_bytes() != content:  # a disk that lost power may hold half of it
        files.write_bytes(path, content)
    (folder / f"{key}{ERROR}").unlink(missing_ok=True)
    return Shard(key, count)


def perform(folder: Path, key: str) -> None:
    """Does a shard's work unless its result is there and whole; what a user can correct is written as an error."""
    if _is_whole(folder, key):
        return
    work, items, directory = pickle.loads((folder / f"{key}{WORK}").read_bytes())  # noqa: S301 - our own
    if Path.cwd() != directory:  # a worker elsewhere; all paths start at the project's root
        os.chdir(directory)
    # Two workers may have the same shard: runners start one again that is slow.
    partial = folder / f"{key}.{uuid.uuid4().hex}.partial"
    try:
        with _ALONE:
            work(items, partial)
        md5 = _md5(partial)
        partial.replace(folder / f"{key}{RESULT}")
        files.write_json(folder / f"{key}{DONE}", {"md5": md5})
        (folder / f"{key}{ERROR}").unlink(missing_ok=True)  # of another attempt: runners make several
    except (UserError, OSError) as error:
        files.write_text(folder / f"{key}{ERROR}", _sentence(error))
    finally:
        partial.unlink(missing_ok=True)


def result(folder: Path, key: str) -> tuple[Path, str]:
    """The file with a shard's result, and its MD5.

    Raises:
        UserError: the work was refused, or nobody did it.
    """
    refused = folder / f"{key}{ERROR}"
    if refused.exists():
        raise UserError(refused.read_text(encoding="utf-8"))
    try:
        return folder / f"{key}{RESULT}", json.loads((folder / f"{key}{DONE}").read_bytes())["md5"]
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(
            f"the workers left no result in {folder}: each of them needs the project's folder under this path"
        ) from None


def link_or_copy(source: Path, target: Path) -> None:
    """Gives a file a second name, or copies it where the file system has no links, or another one holds the target."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def finished(folder: Path) -> set[str]:
    """Keys of the shards that have a result, or were refused."""
    with os.scandir(folder) as entries:
        parts = [entry.name.partition(".") for entry in entries]
    return {key for key, _, suffix in parts if f".{suffix}" in (DONE, ERROR)}


def _is_whole(folder: Path, key: str) -> bool:
    try:
        path, md5 = result(folder, key)
        return _md5(path) == md5
    except (UserError, OSError):
        return False


def _sentence(error: Exception) -> str:
    """The message of an error as `errors.run` prints it."""
    if isinstance(error, OSError) and error.errno in errors.FULL_DISK:
        return f"no space left on the disk for {error.filename or 'an output'}; free some and run again"
    if isinstance(error, OSError):
        return f"{errors.plain(str(error.filename or 'a file'))}: {error.strerror or error}"
    return str(error)


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


@functools.cache
def _versions() -> bytes:
    """A hash of the project's code and of what is installed."""
    total = hashlib.sha256()
    for path in files.below(CODE):
        if "__pycache__" not in path.parts:
            total.update(path.relative_to(CODE).as_posix().encode() + path.read_bytes())
    total.update(repr(sorted({f"{each.name} {each.version}" for each in metadata.distributions()})).encode())
    return total.digest()
