"""Files in buckets: listed a page at a time, read and fetched within limits, by fsspec's libraries."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO

from tqdm import tqdm

from apparel.errors import UserError, plain
from apparel.utils import addresses, buckets, limits

WILDCARDS = re.compile(r"[*?\[]")

THREADS = 16
"""Files that are fetched at a time: a small one takes some 50 ms, nearly all of it waiting."""


@dataclass(frozen=True)
class StoredFile:
    """A file in a bucket.

    Attributes:
        name: its address.
        size: bytes, as the listing has it.
        store: fsspec's file system.
        version: changes with the content: the generation, or a hash.
    """

    name: str
    size: int
    store: Any
    version: str = ""

    def read(self, limit: int) -> bytes:
        """The file's bytes.

        Raises:
            UserError: they are more than the limit, or cannot be read.
        """
        self._check_size(limit)
        try:
            content = self.store.cat_file(self.name, start=0, end=limit + 1) if self.size else b""
        except Exception as error:  # noqa: BLE001 - of several libraries
            raise UserError(f"cannot be read: {addresses.reason(error)}") from None
        if len(content) > limit:
            raise UserError(f"has more than {limit:,} bytes, which is the limit for a file of its kind")
        return content

    def open(self) -> BinaryIO:
        """The file, of which parts are fetched as they are read."""
        return self.store.open(self.name, "rb")

    def fetch(self, target: Path, limit: int) -> None:
        """Writes the file to a new path.

        Raises:
            UserError: it has more bytes than the limit, cannot be read, or changed meanwhile; names it.
        """
        try:
            self._check_size(limit)
        except UserError as error:
            raise UserError(f"{plain(self.name)} {error}") from None
        with buckets.errors_at(self.name):
            if self.size:
                self.store.get_file(self.name, str(target))
            else:
                target.touch()  # a range of no bytes is refused
        if target.stat().st_size != self.size:
            raise UserError(f"{plain(self.name)} changed while it was fetched; run again")

    def _check_size(self, limit: int) -> None:
        if self.size > limit:
            raise UserError(f"has {self.size:,} bytes, more than the {limit:,} that a file of its kind may have")


def walk(address: str, patterns: bool = True) -> Iterator[StoredFile | UserError]:
    """The file of an address, those below it, or those that match its pattern, by name; hidden ones are left out.

    An error, which may come after some files, is the last thing that is given.

    Args:
        address: of a file, a folder, or a pattern.
        patterns: whether `*`, `?` and `[` make it a pattern, if files match it; else they are characters of a name.
    """
    scheme, _, path = address.partition("://")
    bucket, _, key = path.partition("/")
    wildcard = WILDCARDS.search(key) if patterns else None
    prefix = key[: wildcard.start()] if wildcard else key
    try:
        with buckets.errors_at(address):
            store, _ = buckets.open_store(f"{scheme}://{bucket}")
            found = False
            for name, size, version in _pages(store, bucket, prefix):
                inside = name.removeprefix(prefix) if not wildcard else ""
                below = prefix.endswith("/") or not prefix or not inside or inside.startswith("/")
                matches = fnmatchcase(name, key) if wildcard else below
                hidden = any(part.startswith(".") for part in name[prefix.rfind("/") + 1 :].split("/"))
                if matches and not hidden and not name.endswith("/"):
                    found = True
                    yield StoredFile(f"{scheme}://{bucket}/{name}", size, store, version)
            if not found and wildcard:
                yield from walk(address, patterns=False)  # a name may have such characters, as `photo[1].jpg` has
            elif not found:
                raise UserError("nothing is stored at this address")
    except UserError as error:
        yield UserError(str(error).removeprefix(plain(address)).lstrip(": "))


def listed(address: str, most: int = limits.MAX_FILES) -> dict[str, StoredFile]:
    """The files below an address by their names from there on, or the file of that address by its own name.

    Raises:
        UserError: there are none, or more than `most`; they cannot be listed; or a name leads out of the folder.
    """
    buckets.check_source(address)
    folder = address.rstrip("/")
    files: dict[str, StoredFile] = {}
    for stored in walk(folder, patterns=False):
        if isinstance(stored, UserError):
            raise UserError(f"{plain(address)}: {stored}")
        name = stored.name.removeprefix(f"{folder}/") if stored.name != folder else folder.rpartition("/")[2]
        buckets.check_key(name)
        files[name] = stored
        if len(files) > most:
            raise UserError(f"{plain(address)} holds more than {most:,} files; name a folder further down")
    return files


def fetch_all(files: Sequence[tuple[StoredFile, Path]], limit: int) -> None:
    """Writes files to new paths, several at a time.

    Args:
        files: each with its path, whose folder is made.
        limit: bytes that a file may have.

    Raises:
        UserError: as `StoredFile.fetch`, for the first of them.
    """
    for folder in {path.parent for _, path in files}:
        folder.mkdir(parents=True, exist_ok=True)
    threads = ThreadPoolExecutor(THREADS)
    try:
        done = threads.map(lambda pair: pair[0].fetch(pair[1], limit), files)
        for _ in tqdm(done, total=len(files), desc="fetching", unit=" files", delay=1, leave=False):
            pass
    finally:
        threads.shutdown(cancel_futures=True)


@contextmanager
def at_hand(source: str) -> Iterator[str]:
    """The path of a copy of a file or folder in a bucket, until the block ends; `source` itself if it is no address.

    Raises:
        UserError: there is none, it is too large, or it cannot be read.
    """
    if not buckets.is_address(source):
        yield source
        return
    stored = listed(source)
    with TemporaryDirectory(prefix="apparel-fetched-") as name:
        folder = Path(name, PurePosixPath(source).name)
        is_file = [file.name for file in stored.values()] == [source]
        pairs = [(file, folder if is_file else folder / below) for below, file in stored.items()]
        fetch_all(pairs, limits.MAX_WEIGHTS_BYTES)
        yield str(folder)


def version_of(address: str, files: dict[str, StoredFile]) -> str:
    """A hash of an address with the names, sizes and versions of its files: another content has another one."""
    lines = [f"{name}\0{file.size}\0{file.version}\n" for name, file in sorted(files.items())]
    return hashlib.sha256("".join([f"{address}\n", *lines]).encode(errors="surrogateescape")).hexdigest()


def _pages(store: Any, bucket: str, prefix: str) -> Iterator[tuple[str, int, str]]:
    """Name, size and version of each file whose name starts with `prefix`, sorted.

    By the stores' own requests, since fsspec's listings hold all of them.
    """
    token = None
    while True:
        if "s3" in store.protocol:
            options = {"ContinuationToken": token} if token else {}
            page = store.call_s3("list_objects_v2", Bucket=bucket, Prefix=prefix, **options)
            files = [(file["Key"], file["Size"], file.get("ETag", "")) for file in page.get("Contents", [])]
            token = page.get("NextContinuationToken")
        elif "gs" in store.protocol:
            options = {"pageToken": token} if token else {}
            page = store.call("GET", "b/{}/o", bucket, prefix=prefix, json_out=True, **options)
            items = page.get("items", [])
            files = [(file["name"], int(file["size"]), str(file.get("generation", ""))) for file in items]
            token = page.get("nextPageToken")
        else:
            files = _all_files(store, bucket, prefix)
        yield from files
        if not token:
            return


def _all_files(store: Any, bucket: str, prefix: str) -> list[tuple[str, int, str]]:
    """The same of another kind of store, such as the one in memory that tests use."""
    found = store.find(bucket, detail=True)
    start = len(store._strip_protocol(bucket)) + 1
    return sorted(
        (path[start:], info["size"], str(info.get("created", "")))
        for path, info in found.items()
        if path[start:].startswith(prefix)
    )
