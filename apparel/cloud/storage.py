"""Folders in a bucket: files written, read and listed through fsspec, with one form of error.

    folder = storage.Folder("gs://bucket/apparel/jobs/one")
    folder.write("job.json", b"{}")

Addresses are those of fsspec: gs://, s3:// and others; file:// is a folder that all machines can reach.
"""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from apparel.errors import UserError, plain
from apparel.utils import addresses

_ADDRESS = re.compile(r"(?!https?:|sqlite:)(file:///|(?!file:)[a-z][a-z0-9+.-]*://)[^/\s?#][^\s?#]*")

LOGGERS = ("gcsfs", "s3fs", "google.auth")
"""Names of loggers that write a traceback for each failed request; the error itself says it in one line."""


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

    def upload(self, name: str, file: Path) -> None:
        """Writes a file of any size."""
        with self._open() as (store, path):
            store.put_file(str(file), f"{path}/{name}")

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

    def remove(self) -> None:
        """Removes the folder with all that is in it."""
        with self._open() as (store, path):
            store.rm(path, recursive=True)

    def names(self) -> list[str]:
        """The names of the files and folders in it, sorted; none where there is no such folder."""
        with self._open() as (store, path):
            store.invalidate_cache()
            try:
                entries = store.ls(path, detail=False)
            except FileNotFoundError:
                return []
        return sorted({entry.rstrip("/").rpartition("/")[2] for entry in entries} - {""})

    def _check_size(self, size: int, name: str, limit: int) -> None:
        if size > limit:
            raise UserError(f"{self.file(name)} has {size:,} bytes, more than the limit of {limit:,}")

    @contextmanager
    def _open(self) -> Iterator[tuple[Any, str]]:
        """The file system and the folder's path in it; what they raise becomes a `UserError`."""
        import fsspec

        for name in LOGGERS:
            logging.getLogger(name).setLevel(logging.CRITICAL)
        try:
            here = {"auto_mkdir": True} if is_here_only(self.address) else {}
            store, path = fsspec.url_to_fs(self.address, **here)
            yield store, path.rstrip("/")
        except UserError:
            raise
        except FileNotFoundError as error:
            name = getattr(error, "filename", None) or str(error)
            raise UserError(f"{self.address}: there is no {plain(str(name))}") from None
        except (ImportError, ValueError) as error:
            raise UserError(f"{self.address} cannot be opened: {addresses.reason(error)}") from None
        except Exception as error:  # noqa: BLE001 - each store's library has errors of its own
            why = addresses.reason(error)
            asks = self.address.startswith("gs://") and re.search(
                r"\b40[13]\b|anonymous|credential|permission", why, re.I
            )
            hint = "; `gcloud auth application-default login` gives access" if asks else ""
            raise UserError(f"{self.address} does not answer as it should: {why}{hint}") from None


def checked(address: str) -> str:
    """An address of a folder, without slashes at its end.

    Raises:
        UserError: it is none, or holds a password.
    """
    if addresses.address_only(address) != address:
        raise UserError("an address with a password would be seen in the job's description; remove it")
    folder = address.rstrip("/")
    if not _ADDRESS.fullmatch(folder) or "/../" in f"{folder}/" or "//" in folder.partition("://")[2][1:]:
        raise UserError(f"'{plain(address)}' is no address of a folder such as gs://bucket/apparel")
    return folder


def is_here_only(address: str) -> bool:
    """Whether an address is a folder of this machine, which a machine elsewhere cannot reach."""
    return address.startswith("file://") or "://" not in address
