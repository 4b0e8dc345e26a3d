"""Buckets and other folders at addresses, through fsspec: files written, read and listed, with one form of error.

    folder = buckets.Folder("gs://bucket/apparel/jobs/one")
    folder.write("job.json", b"{}")

Addresses are those of fsspec: gs://, s3:// and others; file:// is a folder that all machines can reach.
"""

import logging
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from apparel.errors import UserError, plain
from apparel.utils import addresses, files, limits

SCHEMES = ("gs://", "gcs://", "s3://")
"""Starts of the addresses that stand wherever a path does."""

ADDRESS = re.compile(r"[A-Za-z][\w+.-]*://")
"""Start of an address of whatever kind."""

_FOLDER = re.compile(r"(?!https?:|sqlite:)(file:///|(?!file:)[a-z][a-z0-9+.-]*://)[^/\s?#][^\s?#]*")

SECONDS_TO_CONNECT, SECONDS_OF_SILENCE = 10, 60
"""How long an attempt waits for a connection, and for the next bytes; there are five or six attempts."""

LOGGERS = ("gcsfs", "s3fs", "google.auth", "asyncio")
"""Names of loggers that write a traceback for each failed request; the error itself says it in one line."""

PACKAGES = {"gs": "gcsfs", "gcs": "gcsfs", "s3": "s3fs"}
"""The package that fsspec needs, by the scheme of an address; requirements.txt has both."""

ACCESS = {
    "gs": "`gcloud auth application-default login` gives access",
    "gcs": "`gcloud auth application-default login` gives access",
    "s3": "`aws configure`, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, give access",
}
"""Remedy where a store refuses, by the scheme of an address."""

_REFUSED = re.compile(r"\b40[13]\b|anonymous|credential|permission|forbidden|access.?(denied|key)", re.I)
"""What the stores' libraries say where they lack access; Google adds that the bucket "may not exist"."""

_MISSING_BUCKET = re.compile(r"\bbucket\b.*\bnot exist|NoSuchBucket|(^|/v1/)b/[^/]+/o/?$", re.I)
"""What the stores' libraries say of a missing bucket; a missing file has its name in the message."""


class Folder:
    """A folder at an address.

    Raises:
        UserError: it is no address, holds a password, or the library for its kind is missing.
    """

    def __init__(self, address: str) -> None:
        self.address = checked(address)

    def file(self, name: str) -> str:
        """The address of a file."""
        return f"{self.address}/{name}"

    def write(self, name: str, content: bytes) -> None:
        """Writes a small file, in place of what was there."""
        with self._open() as (store, path):
            store.pipe_file(f"{path}/{name}", content)

    def create(self, name: str, content: bytes) -> bool:
        """Writes a small file where there is none, and tells whether it did; of several that try at once one does.

        Google, Amazon and disks see to that; other stores may look first, and write then.
        """
        with self._open() as (store, path):
            try:
                with store.open(f"{path}/{name}", "xb") as file:
                    file.write(content)
            except FileExistsError:
                return False
        return True

    def upload(self, name: str, file: Path) -> None:
        """Writes a file of any size; a reader finds the former one or this one, never a part."""
        with self._open() as (store, path):
            store.put_file(str(file), f"{path}/{name}")

    def upload_all(self, content: Mapping[str, Path]) -> None:
        """Writes files by name, several at a time."""
        if not content:
            return
        with self._open() as (store, path):
            store.put([str(file) for file in content.values()], [f"{path}/{name}" for name in content])

    def replace(self, name: str, folder: Path) -> None:
        """Writes the files of a folder below `name`, then removes those that were there and have no successor."""
        below = {f"{name}/{path.relative_to(folder).as_posix()}": path for path in files.below(folder)}
        self.upload_all(below)
        with self._open() as (store, path):
            store.invalidate_cache()
            old = {found[len(path) + 1 :] for found in store.find(f"{path}/{name}")}
        self.remove(sorted(old - below.keys()))

    def download(self, name: str, file: Path, limit: int) -> None:
        """Fetches a file of at most `limit` bytes.

        Raises:
            UserError: there is none, or it is larger.
        """
        with self._open() as (store, path):
            self._check_size(store.info(f"{path}/{name}")["size"], name, limit)
            store.get_file(f"{path}/{name}", str(file))

    def read(self, name: str, limit: int) -> bytes:
        """The content of a file of at most `limit` bytes.

        Raises:
            UserError: there is none, or it is larger.
        """
        with self._open() as (store, path):
            self._check_size(store.info(f"{path}/{name}")["size"], name, limit)
            return store.cat_file(f"{path}/{name}")

    def remove(self, names: Sequence[str] | None = None) -> None:
        """Removes these files, or the folder with all that is in it; does nothing where there is none."""
        with self._open() as (store, path):
            store.invalidate_cache()
            targets = [path] if names is None else [f"{path}/{name}" for name in names]
            for target in targets:
                if store.exists(target):
                    store.rm(target, recursive=names is None)

    def names(self) -> list[str]:
        """The names of the files and folders in it, sorted; none where there is no such folder."""
        with self._open() as (store, path):
            store.invalidate_cache()
            try:
                entries = store.ls(path, detail=False)
            except FileNotFoundError as error:
                if _MISSING_BUCKET.search(_said(error)):
                    raise
                return []
        return sorted({entry.rstrip("/").rpartition("/")[2] for entry in entries} - {""})

    def _check_size(self, size: int, name: str, limit: int) -> None:
        if size > limit:
            raise UserError(f"{self.file(name)} has {size:,} bytes, more than the limit of {limit:,}")

    @contextmanager
    def _open(self) -> Iterator[tuple[Any, str]]:
        """The file system and the folder's path in it; what they raise becomes a `UserError`."""
        with errors_at(self.address):
            yield open_store(self.address)


def open_store(address: str) -> tuple[Any, str]:
    """fsspec's file system of an address, and the path in it; within `errors_at`."""
    # Else gcsfs asks a second service what kind of bucket each one is: minutes, where only the first can be reached.
    os.environ.setdefault("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
    import fsspec

    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    scheme = scheme_of(address)
    options: dict[str, Any] = {}
    if scheme in ("", "file"):
        options = {"auto_mkdir": True}
    elif PACKAGES.get(scheme) == "gcsfs":
        from aiohttp import ClientTimeout  # of gcsfs, whose default ends any transfer after five minutes

        timeout = ClientTimeout(total=None, sock_connect=SECONDS_TO_CONNECT, sock_read=SECONDS_OF_SILENCE)
        options = {"session_kwargs": {"timeout": timeout}}
    elif scheme == "s3":
        settings = {"connect_timeout": SECONDS_TO_CONNECT, "read_timeout": SECONDS_OF_SILENCE}
        options = {"config_kwargs": settings | {"retries": {"max_attempts": 1}}}  # s3fs repeats five times itself
    store, path = fsspec.url_to_fs(address, **options)
    return store, path.rstrip("/")


@contextmanager
def errors_at(address: str) -> Iterator[None]:
    """Turns whatever a store's library raises into a `UserError` of one line that names the address."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # noqa: BLE001 - each store's library has errors of its own
        raise UserError(problem(error, address)) from None


def problem(error: Exception, address: str) -> str:
    """What a store's error says, with the remedy where there is one."""
    scheme, why = scheme_of(address), _said(error)
    shown = plain(addresses.address_only(address))
    if isinstance(error, ImportError):
        package = PACKAGES.get(scheme, scheme)
        return f"{shown}: {scheme}:// needs the package {package}, which is not installed; `make setup` installs it"
    if _REFUSED.search(why):
        hint = f"; {ACCESS[scheme]}" if scheme in ACCESS else ""
        return f"{shown} does not answer as it should: {why}{hint}"
    if _MISSING_BUCKET.search(why):
        bucket = address.partition("://")[2].partition("/")[0]
        return f"{shown}: there is no bucket {plain(bucket)}, or it is not shown to you"
    if isinstance(error, FileNotFoundError):
        return f"{shown}: there is no {plain(why)}"
    if isinstance(error, ValueError):
        return f"{shown} cannot be opened: {why}"
    return f"{shown} does not answer as it should: {why}"


def is_address(text: str) -> bool:
    """Whether this is the address of a file or folder in a bucket, where a path could stand."""
    return text.startswith(SCHEMES)


def scheme_of(address: str) -> str:
    """`gs` of gs://bucket; empty for a path."""
    return address.partition("://")[0] if "://" in address else ""


def checked(address: str) -> str:
    """An address of a folder, without slashes at its end.

    Raises:
        UserError: it is none, or holds a password.
    """
    check_source(address)
    folder = address.rstrip("/")
    if not _FOLDER.fullmatch(folder) or "//" in folder.partition("://")[2][1:]:
        raise UserError(f"'{plain(address)}' is no address of a folder such as gs://bucket/apparel")
    return folder


def check_source(address: str) -> None:
    """Raises a `UserError` for an address to read from that holds a password, names no bucket, or has `..` in it."""
    if addresses.address_only(address) != address:
        raise UserError("an address with a password would be seen by others, such as in a job's description; remove it")
    bucket, *folders = address.partition("://")[2].split("/")
    if (not bucket and scheme_of(address) != "file") or {".", ".."} & {bucket, *folders}:
        raise UserError(f"'{plain(address)}' is no address of a folder such as gs://bucket/apparel")


def check_key(name: str) -> None:
    """Raises a `UserError` for a file's name in a bucket, its folders divided by `/`, that is no path below a folder.

    Names in buckets are any text: `..` and empty parts among them, which lead elsewhere on a disk.
    """
    limits.check_name(name)
    if {"", ".", ".."} & set(name.split("/")) or "\\" in name or not name.isprintable():
        raise UserError(f"'{plain(name)}' is no name of a file below a folder")
    if len(PurePosixPath(name).name.encode()) > 255:
        raise UserError(f"'{plain(name)}' is longer than systems allow")


def upload(file: Path, address: str) -> None:
    """Writes a copy of a file at an address, in place of what was there."""
    folder, _, name = address.rpartition("/")
    Folder(folder).upload(name, file)


def is_here_only(address: str) -> bool:
    """Whether an address is a folder of this machine, which a machine elsewhere cannot reach."""
    return scheme_of(address) in ("", "file")


def _said(error: Exception) -> str:
    """The message of a library's error on one line without passwords; of a missing file its name."""
    return plain(str(getattr(error, "filename", None) or "")) or addresses.reason(error)
