"""Photos of files, folders, archives, patterns, lists and object stores, one after the other, however many there are.

Nothing is held: a folder's names are sorted on the disk, an archive is read in its own order and not unpacked. What a
name leads to is not trusted. Whatever cannot be read becomes a photo whose `read` says why.
"""

import os
import re
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from apparel import images
from apparel.analysis.predictions import patterns
from apparel.analysis.predictions.seen_names import SeenNames
from apparel.analysis.predictions.sorted_names import sorted_on_disk
from apparel.data.ingest.archives import is_archive, read_archive
from apparel.data.ingest.file_kinds import IMAGE_SUFFIXES
from apparel.errors import UserError, plain
from apparel.utils import bucket_files, buckets, limits
from apparel.utils.bucket_files import StoredFile

LIST_SUFFIXES = (".txt", ".lst")
"""Suffixes of files with a photo, folder, archive or address on each line."""

STANDARD_INPUT = "-"

MAX_LINE_BYTES = 4_096
"""Bytes of a line of a list: the longest path that Linux takes."""

MAGIC = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n|GIF8|BM.{4}\0\0\0\0|II\*\0|MM\0\*|RIFF.{4}WEBP|.{4}ftyp(heic|heix|mif1|msf1|avif)",
    re.DOTALL,
)
"""Starts of the formats that are decoded, by which a photo without a known suffix is told from other files."""


@dataclass(frozen=True)
class SourcePhoto:
    """A photo, or what stands in its place.

    Attributes:
        name: path or address as the user would type it; for photos in an archive, with the archive's name before.
        read: returns the file's bytes; raises UserError or OSError if it cannot be read. It can be pickled unless
            `at_once`.
        at_once: `read` works only until the next photo is asked for, since it is a part of an archive.
    """

    name: str
    read: Callable[[], bytes]
    at_once: bool = False


class PhotoSources:
    """The photos of the sources that a command line names, in their order.

    Attributes:
        sources: as typed.
        output: folder, or bucket and folder, that is passed over, should it lie in one of them.
        left_out: number of files in folders and archives, or of a pattern, that are neither photos nor archives.
        example: name of the first of them.
        repeated: number of photos that were named before, such as by a folder and by a list; they come up once.
    """

    def __init__(self, sources: Sequence[str], output: Path | str) -> None:
        """Opens nothing yet.

        Raises:
            UserError: a source does not exist; names it.
        """
        self.left_out, self.example, self.repeated = 0, "", 0
        self.output = output.resolve() if isinstance(output, Path) else output.partition("://")[2]
        self.sources = list(sources)
        for source in sources:
            _check_exists(source)

    def __iter__(self) -> Iterator[SourcePhoto]:
        self.left_out = self.repeated = 0
        with closing(SeenNames()) as seen:
            for source in self.sources:
                for photo in self._open(source, lists=True):
                    if seen.add(photo.name):
                        yield photo
                    else:
                        self.repeated += 1

    def _open(self, source: str, lists: bool) -> Iterator[SourcePhoto]:
        """The photos of one source; `lists` is False for a line of a list, which names no further list."""
        path = Path(source)
        if source == STANDARD_INPUT and lists:
            yield from self._list(sys.stdin.buffer, Path())
        elif buckets.is_address(source):
            yield from self._store(source, lists)
        elif path.is_dir():
            yield from self._folder(path, depth=0)
        elif path.exists() and is_archive(source):
            yield from self._archive(source, lambda: path.open("rb"))
        elif lists and path.is_file() and path.suffix.lower() in LIST_SUFFIXES:
            with path.open("rb") as file:
                yield from self._list(file, path.parent)
        elif patterns.is_pattern(source) and not os.path.lexists(source):
            yield from self._pattern(source)
        elif not lists and path.is_file() and path.suffix.lower() in LIST_SUFFIXES:
            yield failed(source, "is a list in a list; name its lines in the first one")
        elif not lists and not path.exists() and buckets.ADDRESS.match(source):
            yield failed(source, f"is no address of {' or '.join(buckets.SCHEMES)}")
        else:
            yield _file(path)

    def _pattern(self, pattern: str) -> Iterator[SourcePhoto]:
        """The photos that match, and those below folders that match; `photos/**/*` matches the others there, too."""
        if not patterns.matches_any(pattern):
            yield failed(pattern, "matches nothing")
        opened: set[Path] = set()
        for path in map(Path, sorted_on_disk(map(str, patterns.matches(pattern)))):
            if opened.intersection(path.parents):
                continue
            if path.is_dir() and path.is_symlink():
                yield _link_to_folder(path)
                continue
            if path.is_dir():
                opened.add(path)
            elif not is_archive(path.name) and not _looks_like_photo(path):
                self._leave_out(str(path))
                continue
            yield from self._open(str(path), lists=False)

    def _list(self, file: BinaryIO, folder: Path | str) -> Iterator[SourcePhoto]:
        """The photos of the lines; a path starts at the list's folder, or if nothing is there at the working one."""
        while line := file.readline(MAX_LINE_BYTES + 1):
            if len(line) > MAX_LINE_BYTES:
                name = os.fsdecode(line[:100])
                yield failed(name, f"a line of more than {MAX_LINE_BYTES:,} bytes is no path; is this a list?")
                return
            source = os.fsdecode(line.strip().removeprefix(b"\xef\xbb\xbf"))
            if not source:
                continue
            if "\0" in source:
                yield failed(source, "a path has no zero bytes; is this a list of photos?")
                return
            yield from self._open(_beside_list(source, folder), lists=False)

    def _folder(self, folder: Path, depth: int) -> Iterator[SourcePhoto]:
        """The photos below a folder, sorted by name in each; without hidden ones and links to folders."""
        if depth > limits.MAX_DEPTH:
            yield failed(folder.as_posix(), f"lies below more than {limits.MAX_DEPTH} folders")
            return
        if folder.resolve() == self.output:
            return
        try:
            with os.scandir(folder) as entries:
                names = sorted_on_disk(entry.name for entry in entries if not entry.name.startswith("."))
        except OSError as error:
            yield failed(folder.as_posix(), f"cannot be read: {error.strerror}")
            return
        for name in names:
            path = folder / name
            if path.is_dir() and not path.is_symlink():
                yield from self._folder(path, depth + 1)
            elif path.is_dir():
                yield _link_to_folder(path)
            elif is_archive(name) and path.is_file():
                yield from self._archive(path.as_posix(), lambda path=path: path.open("rb"))
            elif _looks_like_photo(path):
                yield _file(path)
            else:
                self._leave_out(path.as_posix())

    def _archive(self, name: str, open_file: Callable[[], BinaryIO]) -> Iterator[SourcePhoto]:
        try:
            with open_file() as file:
                for member, content in read_archive(name, file):
                    yield from self._member(member, content)
        except UserError as error:
            yield failed(name, str(error).removeprefix(f"{plain(name)}: ").removeprefix(f"{plain(name)} "))
        except OSError as error:
            yield failed(name, f"cannot be read: {error.strerror or error}")

    def _member(self, name: str, content: BinaryIO) -> Iterator[SourcePhoto]:
        if is_archive(name):
            yield failed(name, "is an archive in an archive; unpack the outer one and name its folder")
        elif name.lower().endswith(IMAGE_SUFFIXES):
            yield SourcePhoto(name, lambda: read_limited(content), at_once=True)
        elif MAGIC.match(start := content.read(32)):
            yield SourcePhoto(name, lambda: start + read_limited(content), at_once=True)
        else:
            self._leave_out(name)

    def _store(self, address: str, lists: bool) -> Iterator[SourcePhoto]:
        for stored in bucket_files.walk(address):
            if isinstance(stored, UserError):
                yield failed(address, str(stored))
            elif stored.name.partition("://")[2].startswith(f"{self.output}/"):
                continue
            elif stored.name == address and lists and address.lower().endswith(LIST_SUFFIXES):
                yield from self._stored_list(stored)
            elif is_archive(stored.name):
                yield from self._archive(stored.name, stored.open)
            elif stored.name == address or stored.name.lower().endswith(IMAGE_SUFFIXES):
                yield SourcePhoto(stored.name, partial(stored.read, images.MAX_BYTES))
            else:
                self._leave_out(stored.name)

    def _stored_list(self, stored: StoredFile) -> Iterator[SourcePhoto]:
        """The photos of a list in a bucket, whose lines lead to buckets alone: to no file of this machine."""
        try:
            content = stored.read(limits.MAX_TABLE_BYTES)
        except UserError as error:
            yield failed(stored.name, str(error))
            return
        yield from self._list(BytesIO(content), stored.name.rpartition("/")[0])

    def _leave_out(self, name: str) -> None:
        self.left_out += 1
        self.example = self.example or name


def failed(name: str, reason: str) -> SourcePhoto:
    """What stands in the place of a photo that cannot be reached."""

    return SourcePhoto(name, partial(_refuse, reason))


def _refuse(reason: str) -> bytes:
    raise UserError(reason)


def read_limited(content: BinaryIO) -> bytes:
    """The bytes of a photo in an archive.

    Raises:
        UserError: they are more than a photo may have.
    """
    data = content.read(images.MAX_BYTES + 1)
    if len(data) > images.MAX_BYTES:
        raise UserError(f"has more than the {images.MAX_BYTES:,} bytes that a photo may have")
    return data


def _file(path: Path) -> SourcePhoto:
    return SourcePhoto(path.as_posix(), partial(images.read_bytes, path))


def _beside_list(source: str, folder: Path | str) -> str:
    """A line of a list in this folder as a path or pattern from there, if that leads to something.

    One of a list in a bucket, the address of whose folder is given, is an address whatever it says.
    """
    if isinstance(folder, str):
        return source if buckets.is_address(source) else f"{folder}/{source}"
    if _exists(folder / source) and not buckets.is_address(source):
        return str(folder / source)
    pattern = patterns.below(folder, source)
    return pattern if patterns.matches_any(pattern) else source


def _link_to_folder(path: Path) -> SourcePhoto:
    return failed(path.as_posix(), "is a symbolic link to a folder, which is not followed; name that folder")


def _looks_like_photo(path: Path) -> bool:
    """Whether the suffix or the start of the content is a photo's; only plain files are opened, since a pipe waits."""
    if path.name.lower().endswith(IMAGE_SUFFIXES):
        return True
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return False
        with path.open("rb") as file:
            return bool(MAGIC.match(file.read(32)))
    except OSError:
        return False


def _exists(path: Path) -> bool:
    try:
        return os.path.lexists(path)
    except (OSError, ValueError):
        return False


def _check_exists(source: str) -> None:
    if source == STANDARD_INPUT or buckets.is_address(source):
        return
    if buckets.ADDRESS.match(source):
        raise UserError(f"{plain(source)}: addresses may start with {', '.join(buckets.SCHEMES)}")
    if not source or "\0" in source or not (_exists(Path(source)) or patterns.matches_any(source)):
        raise UserError(
            f"'{plain(source)}' not found; name photos, folders, archives, patterns in quotes, or a .txt list"
        )
