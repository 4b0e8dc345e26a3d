"""A bucket in memory, which stands where one of gs:// or s3:// could."""

import uuid
from pathlib import Path

import fsspec
import pytest

from apparel.utils import buckets


def make(monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of a new one, as long as the test lasts."""
    monkeypatch.setattr(buckets, "SCHEMES", (*buckets.SCHEMES, "memory://"))
    return f"memory://{uuid.uuid4().hex}"


def fill(address: str, folder: Path) -> None:
    """Copies the files below a folder to an address."""
    for path in folder.rglob("*"):
        if path.is_file():
            write(f"{address}/{path.relative_to(folder).as_posix()}", path.read_bytes())


def write(address: str, content: bytes) -> None:
    fsspec.filesystem("memory").pipe_file(address, content)


def files(address: str) -> dict[str, bytes]:
    """The content of each file below an address, by its name from there on."""
    store, root = fsspec.url_to_fs(address)
    return {path[len(root) + 1 :]: store.cat_file(path) for path in store.find(root)}


def remove(address: str) -> None:
    fsspec.filesystem("memory").rm_file(address)
