"""DVC's hashes of files and folders, computed without DVC, whose import costs a stage half a second."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from apparel.errors import UserError
from apparel.utils import files


def path_hash(path: Path) -> str:
    """The hash that DVC records of a path: a file's MD5 in hexadecimal, or that of a folder, which ends in `.dir`.

    Raises:
        UserError: there is no such file or folder, or a file in it cannot be read; names it.
    """
    try:
        return folder_hash(file_md5s(path)) if path.is_dir() else file_md5(path)
    except OSError as error:
        raise UserError(f"{error.filename or path} cannot be read: {error.strerror}") from None


def file_md5(path: Path) -> str:
    """The MD5 of a file, in hexadecimal."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, _md5).hexdigest()


def bytes_md5(content: bytes) -> str:
    """The MD5 of bytes, in hexadecimal."""
    return _md5(content).hexdigest()


def file_md5s(path: Path) -> dict[str, str]:
    """The MD5 of each file below a folder, by its path relative to that, sorted."""
    return {file.relative_to(path).as_posix(): file_md5(file) for file in files.below(path)}


def folder_hash(hashes: Mapping[str, str]) -> str:
    """DVC's hash of a folder with these files: that of their list, as `dvc_data.hashfile.tree` writes it."""
    listed = [{"md5": hashes[name], "relpath": name} for name in sorted(hashes)]
    return bytes_md5(json.dumps(listed, sort_keys=True).encode()) + ".dir"


def _md5(content: bytes = b"") -> "hashlib._Hash":
    return hashlib.md5(content, usedforsecurity=False)
