"""Photos in Amazon S3 and Google Cloud Storage: listed a page at a time, read within limits, by fsspec's libraries."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, BinaryIO

from apparel import images
from apparel.errors import UserError
from apparel.utils.addresses import reason

SCHEMES = ("gs://", "gcs://", "s3://")
"""Starts of addresses."""

ADDRESS = re.compile(r"[\w+.-]+://")
"""Start of an address of whatever kind."""

WILDCARDS = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class StoredFile:
    """A file in an object store.

    Attributes:
        name: its address.
        size: bytes, as the listing has it.
        store: fsspec's file system.
    """

    name: str
    size: int
    store: Any

    def read(self) -> bytes:
        """The file's bytes.

        Raises:
            UserError: it is larger than a photo may be, or cannot be read.
        """
        if self.size > images.MAX_BYTES:
            raise UserError(f"has {self.size:,} bytes, more than the {images.MAX_BYTES:,} that a photo may have")
        try:
            return self.store.cat_file(self.name, start=0, end=images.MAX_BYTES + 1)
        except Exception as error:  # noqa: BLE001 - of several libraries
            raise UserError(f"cannot be read: {reason(error)}") from None

    def open(self) -> BinaryIO:
        """The file, of which parts are fetched as they are read."""
        return self.store.open(self.name, "rb")


def is_address(source: str) -> bool:
    """Whether this is the address of a file, a folder or a pattern in an object store."""
    return source.startswith(SCHEMES)


def walk(address: str) -> Iterator[StoredFile | UserError]:
    """The file of an address, those below it, or those that match its pattern, by name; hidden ones are left out.

    An error, which may come after some files, is the last thing that is given.
    """
    scheme, _, path = address.partition("://")
    bucket, _, key = path.partition("/")
    wildcard = WILDCARDS.search(key)
    prefix = key[: wildcard.start()] if wildcard else key
    try:
        import fsspec

        store = fsspec.filesystem("s3" if scheme == "s3" else "gs")
        found = False
        for name, size in _pages(store, bucket, prefix):
            inside = name.removeprefix(prefix) if not wildcard else ""
            below = prefix.endswith("/") or not prefix or not inside or inside.startswith("/")
            matches = fnmatchcase(name, key) if wildcard else below
            hidden = any(part.startswith(".") for part in name[prefix.rfind("/") + 1 :].split("/"))
            if matches and not hidden and not name.endswith("/"):
                found = True
                yield StoredFile(f"{scheme}://{bucket}/{name}", size, store)
        if not found:
            yield UserError("nothing is stored at this address")
    except Exception as error:  # noqa: BLE001 - of several libraries
        yield UserError(f"cannot be listed: {reason(error)}")


def _pages(store: Any, bucket: str, prefix: str) -> Iterator[tuple[str, int]]:
    """Name and size of each file whose name starts with `prefix`, sorted; fsspec's own listings hold all of them."""
    token = None
    while True:
        if "s3" in store.protocol:
            options = {"ContinuationToken": token} if token else {}
            page = store.call_s3("list_objects_v2", Bucket=bucket, Prefix=prefix, **options)
            files = [(file["Key"], file["Size"]) for file in page.get("Contents", [])]
            token = page.get("NextContinuationToken")
        else:
            options = {"pageToken": token} if token else {}
            page = store.call("GET", "b/{}/o", bucket, prefix=prefix, json_out=True, **options)
            files = [(file["name"], int(file["size"])) for file in page.get("items", [])]
            token = page.get("nextPageToken")
        yield from files
        if not token:
            return
