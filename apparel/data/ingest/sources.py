"""Sources of an import: a folder, an archive, a git repository or a bucket, opened as one list of files."""

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PureWindowsPath

from tqdm import tqdm

from apparel.data.ingest import git_source
from apparel.data.ingest.archives import Entry, check_disk_space, is_archive, unpack_archive
from apparel.errors import UserError, plain
from apparel.utils import bucket_files, buckets, limits
from apparel.utils.addresses import mask_options
from apparel.utils.limits import UnpackLimits

LFS_POINTER = b"version https://git-lfs.github.com/spec/"
"""Start of a file that Git LFS has not replaced by its content."""


@dataclass(frozen=True)
class OpenedSource:
    """The files of a source, sorted by name, and `origin`: what source.json records about the source."""

    entries: list[Entry]
    origin: dict


def open_source(source: str, rev: str | None, only: Sequence[str], work: Path) -> OpenedSource:
    """Opens a source and unpacks the archives in it, and the archives in those.

    Args:
        source: a path, a git address, or an address in a bucket, as typed.
        rev: a commit, branch or tag of a git repository; its HEAD by default.
        only: shell patterns of the files, folders or archives to import, or of files in an archive; none means all.
        work: an empty folder for what is fetched and unpacked.

    Raises:
        UserError: there is no such source, it is not a folder, archive, repository or bucket, an archive is refused,
            files are pointers of Git LFS, or no file matches the patterns.
    """
    kind = _source_kind(source)
    if rev and kind != "git":
        raise UserError(f"--rev is for git repositories, and {source} is not one")
    origin = {"source": source_address(source), "kind": kind}
    is_file = kind == "file"
    if kind == "git":
        files, revision = _git_files(source, rev, only, work)
        origin |= {"rev": rev or "HEAD"} | revision
    elif kind == "bucket":
        files, is_file = _bucket_files(source, only, work / "fetched")
    else:
        files = [Entry(Path(source).name, Path(source))] if is_file else _matching_files(Path(source), only)
    if only:
        origin["only"] = list(only)
    _check_no_pointers(files)
    entries = [
        entry
        for entry in _unpack_archives(files, work / "unpacked")
        if _matches(entry.name, only) or (is_file and _matches(entry.name.partition("/")[2], only))
    ]
    origin["archives"] = [_describe(entry) for entry in _sorted(files) if is_archive(entry.name)]
    if loose := [entry for entry in _sorted(files) if not is_archive(entry.name)]:
        origin["loose"] = _describe_all(loose)
    _check_no_pointers(entries)
    if only and not entries:
        raise UserError(f"nothing in {source_address(source)} matches --only {' --only '.join(map(plain, only))}")
    return OpenedSource(_sorted(entries), origin)


def source_address(source: str) -> str:
    """Returns the address to record: as typed, but of an absolute path only the last part, and without a password."""
    if re.match(r"file:", source, re.IGNORECASE) or Path(source).is_absolute() or PureWindowsPath(source).is_absolute():
        return PureWindowsPath(source.rstrip("/\\")).name
    if "://" in source:
        return mask_options(re.sub(r"//[^/]*@", "//", source))
    return source.replace("\\", "/") if Path(source).exists() else source


def file_sha256(path: Path) -> str:
    """Returns the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _source_kind(source: str) -> str:
    """Returns "file", "folder", "git" or "bucket"."""
    path = Path(source)
    if not source:
        raise UserError(
            "SOURCE is empty; name a folder, an archive, or an address in a bucket, or that of a git repository"
        )
    if buckets.is_address(source):
        return "bucket"
    if path.is_file():
        return "file"
    bare = (path / "HEAD").is_file() and (path / "objects").is_dir()
    if bare or (path / ".git").exists() or re.match(r"\w+://|[\w.-]+@[\w.-]+:", source):
        return "git"
    if not path.is_dir():
        shown = re.sub(r"[^/]*:.*@", "***@", source)  # an address without `//` may have a password
        raise UserError(f"{shown} not found; name a folder, an archive, or the address of a git repository")
    return "folder"


def _git_files(source: str, rev: str | None, only: Sequence[str], work: Path) -> tuple[list[Entry], dict]:
    """Returns the files of a revision that match, and archives that may hold matching files; with what to record."""
    commit = git_source.clone(source, rev, work / "clone", source_address(source))
    files, submodules = git_source.files_of(
        work / "clone", commit, lambda name: _matches(name, only) or _has_matches(name, only), work / "files"
    )
    if not rev and Path(source, ".git").exists():
        worktree = [entry for entry in _walk(Path(source)) if _matches(entry.name, only)]
        git_source.print_uncommitted([entry for entry in worktree if not entry.path.is_symlink()], files)
    return files, {"revision": commit} | ({"submodules": submodules} if submodules else {})


def _bucket_files(source: str, only: Sequence[str], work: Path) -> tuple[list[Entry], bool]:
    """Fetches the files below an address that match, and archives that may hold matching files.

    Returns:
        The files, and whether the address is that of a file.
    """
    stored = bucket_files.listed(source)
    is_file = [file.name for file in stored.values()] == [source.rstrip("/")]
    chosen = {
        name: file for name, file in stored.items() if is_file or _matches(name, only) or _has_matches(name, only)
    }
    work.mkdir(parents=True)
    check_disk_space(work, sum(file.size for file in chosen.values()))
    entries = [Entry(name, work / f"{number:06}") for number, name in enumerate(chosen)]  # no name becomes a path
    bucket_files.fetch_all([(chosen[entry.name], entry.path) for entry in entries], limits.MAX_WEIGHTS_BYTES)
    return entries, is_file


def _check_no_pointers(entries: Sequence[Entry]) -> None:
    """Raises a `UserError` for pointers of Git LFS: files of 130 bytes in place of the content they stand for."""
    pointers = [entry for entry in entries if _starts_with(entry.path, LFS_POINTER)]
    if pointers:
        raise UserError(
            f"{len(pointers)} of {len(entries)} files, such as {plain(pointers[0].name)}, are pointers of Git LFS, not "
            "the files: fetch those with `git lfs pull` in a clone of your own and import that folder without .git, or "
            "name what to import with --only"
        )


def _starts_with(path: Path, start: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(start)) == start


def _matching_files(root: Path, only: Sequence[str]) -> list[Entry]:
    """Returns the files below `root` that match, and archives that may hold matching files; prints skipped links."""
    files = [entry for entry in _walk(root) if _matches(entry.name, only) or _has_matches(entry.name, only)]
    links = [entry for entry in files if entry.path.is_symlink()]
    if links:
        print(f"symbolic links, not imported: {len(links):,}, such as {plain(links[0].name)}")
    return [entry for entry in files if not entry.path.is_symlink()]


def _walk(root: Path) -> Iterator[Entry]:
    """Yields the files and the symbolic links below a folder, sorted by name in each folder, without hidden ones."""

    def raise_error(error: OSError) -> None:
        raise UserError(f"{error.filename} cannot be read: {error.strerror}")

    seen = 0
    for folder, folders, files in os.walk(root, onerror=raise_error):
        seen += 1 + len(files)
        if seen > limits.MAX_FILES:
            raise UserError(f"{root} holds more than {limits.MAX_FILES:,} files and folders; split it up")
        files += [name for name in folders if Path(folder, name).is_symlink()]
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files + folders):
            limits.check_name(Path(folder, name).relative_to(root).as_posix())
        for name in sorted(files):
            path = Path(folder, name)
            if not name.startswith(".") and (path.is_symlink() or path.is_file()):
                yield Entry(path.relative_to(root).as_posix(), path)


def _unpack_archives(entries: Sequence[Entry], work: Path) -> list[Entry]:
    """Returns the entries with archives, and archives in those, replaced by their files, unpacked in `work`."""
    unpacked = []
    for number, entry in enumerate(entries):
        if is_archive(entry.name):
            left = UnpackLimits(entry.path.stat().st_size)
            for inner in unpack_archive(entry, work / f"{number:06}", left):
                folder = inner.path.with_suffix(".unpacked")
                unpacked += unpack_archive(inner, folder, left) if is_archive(inner.name) else [inner]
        else:
            unpacked.append(entry)
    return unpacked


def _matches(name: str, only: Sequence[str]) -> bool:
    """Whether a pattern matches the name or a folder above it; true without patterns."""
    parts = name.split("/")
    above = ["/".join(parts[:depth]) for depth in range(1, len(parts) + 1)]
    return not only or any(fnmatchcase(path, pattern.rstrip("/")) for path in above for pattern in only)


def _has_matches(name: str, only: Sequence[str]) -> bool:
    """Whether this is an archive, and the first part of a longer pattern matches its name."""
    prefixes = [
        "/".join(pattern.split("/")[: name.count("/") + 1]) for pattern in only if pattern.count("/") > name.count("/")
    ]
    return is_archive(name) and any(fnmatchcase(name, pattern) for pattern in prefixes)


def _sorted(entries: Iterable[Entry]) -> list[Entry]:
    return sorted(entries, key=lambda entry: entry.name)


def _describe(entry: Entry) -> dict:
    """Returns name, bytes and SHA-256 of a file."""
    return {"name": entry.name, "bytes": entry.path.stat().st_size, "sha256": file_sha256(entry.path)}


def _describe_all(entries: Sequence[Entry]) -> dict:
    """Returns number, bytes and one SHA-256 of files: that of the lines which `sha256sum` prints for them, by name."""
    lines = hashlib.sha256()
    for entry in tqdm(entries, desc="hashing", unit=" files", delay=1, leave=False):
        lines.update(f"{file_sha256(entry.path)}  {entry.name}\n".encode("utf-8", errors="surrogateescape"))
    size = sum(entry.path.stat().st_size for entry in entries)
    return {"files": len(entries), "bytes": size, "sha256": lines.hexdigest()}
