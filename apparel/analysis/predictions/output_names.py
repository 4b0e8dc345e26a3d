"""Names of output files: below their folder, without collisions, leading back to a photo of whatever name."""

import hashlib
import re
import unicodedata
from contextlib import suppress
from pathlib import Path, PurePosixPath

HASH_DIGITS = 12
"""Hexadecimal digits of SHA-256 in a file's name: 48 bits tell the photos of a run apart that else share a name."""

LONGEST_PART = 80
"""Characters of a part of a path. They take 240 bytes in Chinese; with hash and suffix, systems allow 255."""

DEPTH = 8
"""Folders above a file at most, the nearest ones: deep trees would pass the length of a path that systems allow."""

UNSAFE = re.compile(r'[<>:"\\|?*~%#]|[^\w .,;!@$&\'()+=\[\]{}^`-]')
"""Characters that Windows refuses or web addresses give a meaning to, `~`, which stands before the hash, and what is no
letter, digit or common sign."""

DEVICES = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")
"""Names that Windows keeps for devices."""


def name_hash(name: str) -> str:
    """The first `HASH_DIGITS` digits of the SHA-256 of a photo's name, as UTF-8 with the escapes that tables have."""
    return hashlib.sha256(name.encode("utf-8", errors="backslashreplace")).hexdigest()[:HASH_DIGITS]


def safe_part(text: str) -> str:
    """A file or folder name in which all that is unsafe is `_`; never empty, `.` or `..`."""
    part = UNSAFE.sub("_", unicodedata.normalize("NFC", text))[:LONGEST_PART].rstrip(" .").lstrip(" ")
    part = re.sub(r"^\.", "_", part)
    return f"_{part}" if DEVICES.fullmatch(part) else part or "_"


def picture_path(name: str, suffix: str) -> PurePosixPath:
    """A relative path for what is made of one photo: its folders, its name, `~`, `name_hash` and the suffix.

    Folders have no `~` in their names, so that none is called like a file.
    """
    *folders, stem = [part for part in name.split("/") if part not in ("", ".", "..")] or ["_"]
    safe_folders = [safe_part(folder) for folder in folders[-DEPTH:]]
    return PurePosixPath(*safe_folders, f"{safe_part(PurePosixPath(stem).stem)}~{name_hash(name)}{suffix}")


def thumbnail_path(name: str) -> PurePosixPath:
    """The relative path of a photo's thumbnail: 256 folders, so that none holds too many files for a file manager."""
    digits = name_hash(name)
    return PurePosixPath(digits[:2], f"{digits[2:]}.jpg")


def local_file(name: str) -> Path | None:
    """The photo's own file if its name is a path on this machine; None for those in archives and at addresses."""
    with suppress(OSError, ValueError):  # too long, or with a null character
        if "://" not in name and Path(name).is_file():
            return Path(name)
    return None
