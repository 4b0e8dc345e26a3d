"""Zip and tar archives, unpacked safely: a hostile one is refused, and its files get names that this module chooses.

The headers of an archive are checked before anything is written, and no name in it becomes a path: its files are
numbered, so that none is written elsewhere, overwrites another, or clashes on a system with other rules for names.
`tarfile`'s filter `data` and `zipfile` cover a part only: neither limits what is unpacked, and both use the names.
"""

import bz2
import errno
import gzip
import os
import shutil
import stat
import sys
import tarfile
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import BinaryIO

from tqdm import tqdm

from apparel.errors import UserError, plain
from apparel.utils import limits
from apparel.utils.limits import UnpackLimits

ARCHIVE_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2")

UNSUPPORTED_SUFFIXES = (".rar", ".7z", ".xz", ".txz", ".zst", ".tzst", ".lz", ".lzma", ".gz", ".bz2", ".z")
"""Suffixes of archive formats that are not supported."""

MAX_HEADER_BYTES = 32_000_000
"""Bytes of a zip's directory, or of the headers before one file of a tar: Python reads those into memory."""

UTF_8_NAME = 0x800
"""Bit of a zip member's `flag_bits`: its name is encoded in UTF-8 (APPNOTE.TXT, 4.4.4, bit 11)."""

RESERVED_DISK_BYTES = 200_000_000
"""Bytes of disk that are left free, for the system and for git and DVC."""


@dataclass(frozen=True)
class Entry:
    """A file of a source: `name` includes the folders and archives around it, by `/`; `path` is where its bytes are."""

    name: str
    path: Path

    @property
    def base(self) -> str:
        """The last part of the name."""
        return self.name.rsplit("/", 1)[-1]


def is_archive(name: str) -> bool:
    """Whether a file of this name is an archive that can be unpacked."""
    return name.lower().endswith(ARCHIVE_SUFFIXES)


def unpack_archive(archive: Entry, folder: Path, left: UnpackLimits) -> list[Entry]:
    """Unpacks the files of an archive into `folder`, numbered; hidden files, such as macOS adds, are left out.

    Raises:
        UserError: the archive is damaged, encrypted, neither zip nor tar (plain, gzip or bzip2), or hostile: it has a
            name that leads out of it or is used twice, a link, a device, more files or bytes than `left` allows, or
            more bytes than the disk has room for. Names the archive and the file in it. Some files may have been
            written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    entries: list[Entry] = []
    with _errors_of(archive.name, "nothing was imported"), archive.path.open("rb") as file:
        members = _members(file, folder, left)
        for parts, content in tqdm(members, desc=archive.base, unit=" files", delay=1, leave=False):
            if _is_hidden(parts):
                continue
            path = folder / f"{len(entries):06}"
            with path.open("xb") as unpacked:
                shutil.copyfileobj(content, unpacked, 1 << 20)
            entries.append(Entry("/".join((archive.name, *parts)), path))
    return entries


def read_archive(name: str, file: BinaryIO) -> Iterator[tuple[str, BinaryIO]]:
    """Yields the files of an archive without unpacking it to disk; hidden ones, such as macOS adds, are left out.

    Args:
        name: of the archive.
        file: the archive; it has to be seekable.

    Yields:
        The name of each file, with the archive's before it, and its content, to be read before the next is asked for.

    Raises:
        UserError: as `unpack_archive`; the files before were yielded already.
    """
    with _errors_of(name, "the files after it were not read"):
        left = UnpackLimits(file.seek(0, os.SEEK_END))
        file.seek(0)
        for parts, content in _members(file, None, left):
            if not _is_hidden(parts):
                yield "/".join((name, *parts)), content


def _is_hidden(parts: tuple[str, ...]) -> bool:
    return parts[0] == "__MACOSX" or any(part.startswith(".") for part in parts)


def check_disk_space(folder: Path, size: int) -> None:
    """Raises a `UserError` unless the disk of `folder` has room for `size` bytes and `RESERVED_DISK_BYTES`."""
    free = shutil.disk_usage(folder).free
    if size + RESERVED_DISK_BYTES > free:
        raise UserError(
            f"no disk space: {size / 1e6:,.0f} MB and {RESERVED_DISK_BYTES / 1e6:,.0f} MB in reserve are needed, "
            f"{free / 1e6:,.0f} MB are free; free some and run again"
        )


def check_copies_fit(entries: Iterable[Entry], folder: Path, work: Path) -> None:
    """Raises a `UserError` unless the disk of `folder` has room for `move_or_copy` of the entries, and DVC's copies."""
    size = 0
    for entry in entries:
        copies = 1 if work in entry.path.parents else 2
        size += copies * entry.path.stat().st_size
    check_disk_space(folder, size)


def move_or_copy(entry: Entry, target: Path, work: Path) -> None:
    """Moves an entry that lies in the folder `work`, copies any other; makes the folder of `target`."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if work in entry.path.parents:
        entry.path.replace(target)
    else:
        shutil.copyfile(entry.path, target)


@contextmanager
def _errors_of(archive: str, consequence: str) -> Iterator[None]:
    """Turns what is raised while an archive is read, nearly any exception if it is damaged, into a `UserError`."""
    name = plain(archive)
    try:
        yield
    except UserError as error:
        raise UserError(f"{name}: {error}; {consequence}") from None
    except Exception as error:
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):  # the disk's, not the archive's
            raise
        reason = " ".join(plain(str(error)).split()) or type(error).__name__
        raise UserError(f"{name} is a damaged archive ({reason}); {consequence}") from None


def _members(file: BinaryIO, folder: Path | None, left: UnpackLimits) -> Iterator[tuple[tuple[str, ...], BinaryIO]]:
    """Yields name, as its parts, and content of each file, in the archive's order; `folder`, if any, needs room."""
    start = file.read(512)
    file.seek(0)
    if start.startswith((b"PK\3\4", b"PK\5\6")):
        return _zip_members(file, folder, left)
    if start.startswith(b"\x1f\x8b"):
        return _tar_members(gzip.GzipFile(fileobj=file), folder, left)
    if start.startswith(b"BZh"):
        return _tar_members(bz2.BZ2File(file), folder, left)
    if start[257:262] == b"ustar":
        return _tar_members(file, folder, left)
    raise UserError("neither a zip nor a tar archive (plain, gzip or bzip2)")


def _zip_members(file: BinaryIO, folder: Path | None, left: UnpackLimits) -> Iterator[tuple[tuple[str, ...], BinaryIO]]:
    reader = _LimitedReader(file, MAX_HEADER_BYTES)
    with zipfile.ZipFile(reader) as archive:
        reader.left = sys.maxsize  # only the directory is read at once
        if not all(member.filename for member in archive.infolist()):  # `is_dir` fails on such an entry
            raise UserError("a file in it has no name; pack it again")
        members = [member for member in archive.infolist() if not member.is_dir()]
        size = sum(member.file_size for member in members)
        left.use(len(members), size)
        if folder:
            check_disk_space(folder, size)
        seen: set[tuple[str, ...]] = set()
        names = [_new_name(_zip_name(member), seen) for member in members]
        for member in members:
            _check_zip_member(member)
        for parts, member in zip(names, members, strict=True):
            with archive.open(member) as content:
                yield parts, content


def _zip_name(member: zipfile.ZipInfo) -> str:
    """Decodes a name: macOS writes UTF-8 without the flag for it, and zipfile decodes that as DOS's code page 437."""
    if member.flag_bits & UTF_8_NAME:
        return member.orig_filename
    try:
        return member.orig_filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return member.orig_filename


def _check_zip_member(member: zipfile.ZipInfo) -> None:
    """Raises a `UserError` for anything but a plain file that can be unpacked piece by piece."""
    name, mode = plain(_zip_name(member)), member.external_attr >> 16
    if member.flag_bits & 1:
        raise UserError(f"'{name}' in it is encrypted; unpack it yourself and import the folder")
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        raise UserError(f"'{name}' in it is a link or a device")
    # Python's bzip2 and LZMA readers for zips may unpack gigabytes in one go.
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise UserError(f"'{name}' in it is compressed in an unusual way; pack it with Deflate")


def _tar_members(
    stream: BinaryIO, folder: Path | None, left: UnpackLimits
) -> Iterator[tuple[tuple[str, ...], BinaryIO]]:
    """Works in one pass, since a tar has no directory: each file is checked before its bytes are unpacked."""
    reader = _LimitedReader(stream, MAX_HEADER_BYTES)
    seen: set[tuple[str, ...]] = set()
    with tarfile.open(fileobj=reader, mode="r:") as archive:
        while member := archive.next():
            archive.members.clear()  # tarfile keeps all headers in memory, for random access
            if member.isdir():
                continue
            parts = _new_name(member.name, seen)
            if not member.isreg() or member.issparse():
                raise UserError(f"'{plain(member.name)}' in it is a link, a device or a sparse file")
            left.use(1, member.size)
            if folder:
                check_disk_space(folder, member.size)
            reader.left = member.size + MAX_HEADER_BYTES
            yield parts, archive.extractfile(member)
            reader.left = MAX_HEADER_BYTES
        _check_end(reader, archive.offset)


def _check_end(stream: "_LimitedReader", offset: int) -> None:
    """Raises `tarfile.ReadError` unless a block of zeros marks the end: `tarfile` takes a damaged header for the end.

    The stream is read to its own end, where gzip and bzip2 compare their checksums.
    """
    stream.seek(offset)
    if stream.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise tarfile.ReadError("it ends early, or a header in it is damaged")
    while stream.read(1 << 20):
        pass


class _LimitedReader:
    """A stream that refuses to read more than `left` bytes: a header may claim a size of gigabytes."""

    def __init__(self, stream: BinaryIO, left: int) -> None:
        self._stream, self.left = stream, left
        self.seek, self.tell, self.seekable = stream.seek, stream.tell, stream.seekable

    def read(self, size: int = -1) -> bytes:
        if size > self.left:
            raise UserError("its headers are larger than those of an archive of photos")
        data = self._stream.read(self.left if size < 0 else size)
        self.left -= len(data)
        return data


def _new_name(name: str, seen: set[tuple[str, ...]]) -> tuple[str, ...]:
    """Returns the parts of a name in an archive and adds them to `seen`; some Windows programs write backslashes."""
    parts = tuple(part for part in PurePosixPath(name.replace("\\", "/")).parts if part != ".")
    if not parts:
        raise UserError("a file in it has no name; pack it again")
    if parts[0][0] == "/" or PureWindowsPath(name).drive or ".." in parts or "\0" in name:
        raise UserError(f"'{plain(name)}' in it leads out of the archive")
    limits.check_name("/".join(parts))
    if parts in seen:
        raise UserError(f"'{plain(name)}' is in it twice")
    seen.add(parts)
    return parts
