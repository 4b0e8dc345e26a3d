"""Zip and tar archives unpacked from hostile hands: refused by name, or files under names that this module chooses.

What an archive says is checked before anything is written, and no name in it ever becomes a path: its files are
numbered, so that nothing can be written elsewhere, overwritten, or clash on a system that has other rules for names.
"""

import bz2
import errno
import gzip
import shutil
import stat
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import BinaryIO

from tqdm import tqdm

from apparel.errors import UserError, plain

ENDINGS = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2")

OTHER_ENDINGS = (".rar", ".7z", ".xz", ".txz", ".zst", ".tzst", ".lz", ".lzma", ".gz", ".bz2", ".z")
"""Of files that are packed in a way that is not unpacked here."""

MAX_FILES = 500_000

MAX_RATIO = 200
"""Unpacked bytes for each packed one. XML packs to a tenth, photos hardly at all; a bomb to a thousandth."""

SMALL = 10_000_000
"""Bytes that may come out of any archive, whatever the ratio."""

MAX_HEADERS = 32_000_000
"""Bytes of a zip's directory, or of what stands before one file of a tar: those are read into memory."""

UTF_8 = 0x800
"""The flag of a zip's file whose name is in UTF-8."""

RESERVE = 200_000_000
"""Bytes of disk that are left free."""


@dataclass(frozen=True)
class Entry:
    """A file of a source: `name` as its folders and archives have it, parted by `/`; `path`, where its bytes lie."""

    name: str
    path: Path

    @property
    def base(self) -> str:
        """The last part of the name."""
        return self.name.rsplit("/", 1)[-1]


class Allowance:
    """What may still come out of an archive of `packed` bytes and the archives in it, together."""

    def __init__(self, packed: int) -> None:
        self.files, self.size = MAX_FILES, max(SMALL, MAX_RATIO * packed)

    def take(self, files: int, size: int) -> None:
        """Raises a `UserError` where that is too much."""
        self.files -= files
        self.size -= size
        if self.files < 0:
            raise UserError(f"it holds more than {MAX_FILES:,} files; split it up")
        if self.size < 0:
            raise UserError(f"it unpacks to more than {MAX_RATIO} times its size, as a decompression bomb does")


def is_archive(name: str) -> bool:
    """Whether a file of this name is meant to be unpacked."""
    return name.lower().endswith(ENDINGS)


def unpack(archive: Entry, folder: Path, allowance: Allowance) -> list[Entry]:
    """Writes the files of an archive into `folder`, numbered; hidden ones, such as macOS adds, are left out.

    Raises:
        UserError: the archive is broken, encrypted, neither zip nor tar (plain, gzip or bzip2), or hostile: a name
            that leads out of it or comes twice, a link, a device, more files or bytes than allowed, or more than the
            disk can take. Names the archive and the file in it. Some files may have been written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    entries: list[Entry] = []
    with _named(archive), archive.path.open("rb") as file:
        members = _members(file, folder, allowance)
        for parts, content in tqdm(members, desc=archive.base, unit=" files", delay=1, leave=False):
            if parts[0] == "__MACOSX" or any(part.startswith(".") for part in parts):
                continue
            path = folder / f"{len(entries):06}"
            with path.open("xb") as out:
                shutil.copyfileobj(content, out, 1 << 20)
            entries.append(Entry("/".join((archive.name, *parts)), path))
    return entries


def make_room(folder: Path, size: int) -> None:
    """Raises a `UserError` unless the disk of `folder` can take `size` bytes and keep `RESERVE`."""
    free = shutil.disk_usage(folder).free
    if size + RESERVE > free:
        raise UserError(
            f"no disk space: {size / 1e6:,.0f} MB and {RESERVE / 1e6:,.0f} MB in reserve are needed, "
            f"{free / 1e6:,.0f} MB are free; free some and run again"
        )


@contextmanager
def _named(archive: Entry) -> Iterator[None]:
    """Names the archive in whatever is raised while it is read; with damaged ones that is nearly any exception."""
    name = plain(archive.name)
    try:
        yield
    except UserError as error:
        raise UserError(f"{name}: {error}; nothing was imported") from None
    except Exception as error:
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):  # the disk's, not the archive's
            raise
        reason = " ".join(plain(str(error)).split()) or type(error).__name__
        raise UserError(f"{name} is a broken archive ({reason}); nothing was imported") from None


def _members(file: BinaryIO, folder: Path, allowance: Allowance) -> Iterator[tuple[tuple[str, ...], BinaryIO]]:
    """Name, in parts, and content of each file, in the archive's order."""
    head = file.read(512)
    file.seek(0)
    if head.startswith((b"PK\3\4", b"PK\5\6")):
        return _zip_members(file, folder, allowance)
    if head.startswith(b"\x1f\x8b"):
        return _tar_members(gzip.GzipFile(fileobj=file), folder, allowance)
    if head.startswith(b"BZh"):
        return _tar_members(bz2.BZ2File(file), folder, allowance)
    if head[257:262] == b"ustar":
        return _tar_members(file, folder, allowance)
    raise UserError("neither a zip nor a tar archive (plain, gzip or bzip2)")


def _zip_members(file: BinaryIO, folder: Path, allowance: Allowance) -> Iterator[tuple[tuple[str, ...], BinaryIO]]:
    metered = _Metered(file, MAX_HEADERS)
    with zipfile.ZipFile(metered) as archive:
        metered.left = sys.maxsize  # only the directory is read in one piece
        members = [member for member in archive.infolist() if not member.is_dir()]
        size = sum(member.file_size for member in members)
        allowance.take(len(members), size)
        make_room(folder, size)
        seen: set[tuple[str, ...]] = set()
        names = [_new_name(_zip_name(member), seen) for member in members]
        for member in members:
            _check_zip_member(member)
        for parts, member in zip(names, members, strict=True):
            with archive.open(member) as content:
                yield parts, content


def _zip_name(member: zipfile.ZipInfo) -> str:
    """The name as it was meant: macOS writes UTF-8 and does not say so, which zipfile takes for DOS's code page 437."""
    if member.flag_bits & UTF_8:
        return member.orig_filename
    try:
        return member.orig_filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return member.orig_filename


def _check_zip_member(member: zipfile.ZipInfo) -> None:
    name, mode = plain(_zip_name(member)), member.external_attr >> 16
    if member.flag_bits & 1:
        raise UserError(f"'{name}' in it is encrypted; unpack it yourself and import the folder")
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        raise UserError(f"'{name}' in it is a link or a device")
    # Python's bzip2 and LZMA readers for zips may unpack gigabytes in one go.
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise UserError(f"'{name}' in it is compressed in an unusual way; pack it anew")


def _tar_members(stream: BinaryIO, folder: Path, allowance: Allowance) -> Iterator[tuple[tuple[str, ...], BinaryIO]]:
    """In one pass, since a tar has no directory: each file is checked before its bytes are unpacked."""
    metered = _Metered(stream, MAX_HEADERS)
    seen: set[tuple[str, ...]] = set()
    with tarfile.open(fileobj=metered, mode="r:") as archive:
        while member := archive.next():
            archive.members.clear()  # where tarfile keeps every header, for random access
            if member.isdir():
                continue
            parts = _new_name(member.name, seen)
            if not member.isreg() or member.issparse():
                raise UserError(f"'{plain(member.name)}' in it is a link, a device or a sparse file")
            allowance.take(1, member.size)
            make_room(folder, member.size)
            metered.left = member.size + MAX_HEADERS
            yield parts, archive.extractfile(member)
            metered.left = MAX_HEADERS
        _check_end(metered, archive.offset)


def _check_end(stream: "_Metered", offset: int) -> None:
    """Python takes a damaged header for the end of a tar, which is a block of zeros. gzip checks its sum at its own."""
    stream.seek(offset)
    if stream.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise tarfile.ReadError("it ends early, or a header in it is damaged")
    while stream.read(1 << 20):
        pass


class _Metered:
    """A stream that gives at most `left` more bytes: a header that asks for gigabytes ends there."""

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
    """The parts of a name in an archive, added to those seen; some writers on Windows part them by backslashes."""
    parts = tuple(part for part in PurePosixPath(name.replace("\\", "/")).parts if part != ".")
    if not parts or parts[0][0] == "/" or PureWindowsPath(name).drive or ".." in parts or "\0" in name:
        raise UserError(f"'{plain(name)}' in it leads out of the archive")
    if parts in seen:
        raise UserError(f"'{plain(name)}' comes twice in it")
    seen.add(parts)
    return parts
