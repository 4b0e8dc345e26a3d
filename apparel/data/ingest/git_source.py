"""Git repositories as sources: the files of one commit, listed and held against limits before any of them is written.

Nothing is checked out. A repository may name programs (hooks, filters such as Git LFS, `core.fsmonitor`), links,
submodules and conversions of line endings; its files are read here as they are stored, and get numbers for names, so
that none of these has an effect.
"""

import filecmp
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import unquote, urlsplit

from tqdm import tqdm

from apparel.data.ingest.archives import Entry, check_disk_space
from apparel.data.ingest.git_credentials import split_credentials
from apparel.errors import UserError, plain
from apparel.utils import limits, processes
from apparel.versioning import git

PROTOCOLS = "file:git:https:ssh"
"""Protocols that git may use, its GIT_ALLOW_PROTOCOL; others, such as `ext`, run commands."""

SAFE_GIT = [
    *("-c", f"core.hooksPath={os.devnull}"),
    *("-c", "core.fsmonitor=false"),
    *("-c", "core.bigFileThreshold=50m"),  # larger files are not held in memory
    *("-c", "transfer.bundleURI=false"),
    *("-c", "submodule.recurse=false"),
    *("-c", "fetch.recurseSubmodules=false"),
]
"""Options of git that keep a foreign repository from running commands, and from taking gigabytes of memory."""

OTHER_REPOSITORY = {
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_PREFIX",
}
"""Variables that name another repository if a git hook or alias runs the import."""

PROMISES = ("remote.origin.promisor", "remote.origin.partialclonefilter", "extensions.partialClone")
"""Settings of a clone without its large files, by which git would fetch one as soon as its size is asked for."""

SECONDS_BETWEEN_LOOKS = 0.1
"""At the size of what git has fetched."""

LINK, SUBMODULE, FOLDER = "120000", "160000", "040000"
"""Modes of the entries of git's trees that are no files."""


@dataclass(frozen=True)
class CommitFile:
    """A file of a commit: git's mode, the hash of its content, and its name."""

    mode: str
    content: str
    name: str


def clone(source: str, rev: str | None, folder: Path, address: str) -> str:
    """Clones a repository without checking anything out; a local one is referred to, not copied.

    Args:
        source: its path or address.
        rev: a commit, branch or tag; its HEAD by default.
        folder: where the clone goes.
        address: what errors call the source, without a password.

    Returns:
        The full hash of the commit.

    Raises:
        UserError: git cannot clone it, or fetches more than `limits.MAX_FETCHED_BYTES`; or there is no such revision.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    local = local_path(source)
    how = ["--shared"] if local else [f"--filter=blob:limit={limits.MAX_FILE_BYTES}"]
    bare_address, credentials = split_credentials(source)
    where = ("--", str(local or bare_address), str(folder))
    options = ("clone", "--no-checkout", "--template=", "--origin=origin", *how, *where)
    with processes.guarded(["git", *SAFE_GIT, *options], env=_environment() | credentials) as cloning:
        while cloning.poll() is None:
            _check_fetched(folder, address)
            time.sleep(SECONDS_BETWEEN_LOOKS)
    if cloning.returncode:
        raise UserError(f"git could not clone {address}; see its message above")
    for setting in PROMISES:
        _git(folder, "config", "--unset-all", setting)
    for name in (rev, f"origin/{rev}") if rev else ("HEAD",):
        commit = _git(folder, "rev-parse", "--quiet", "--verify", "--end-of-options", f"{name}^{{commit}}")
        if commit:
            return commit.decode()
    raise UserError(f"{address} has no revision '{rev or 'HEAD'}'; name a commit, a branch or a tag")


def local_path(source: str) -> Path | None:
    """The folder of a repository on this machine, given as a path or a `file:` address; None for another."""
    address = urlsplit(source)
    if address.scheme.lower() == "file" and address.netloc in ("", "localhost") and os.name == "posix":
        return Path(unquote(address.path))
    return Path(source) if Path(source).is_dir() else None


def list_files(folder: Path, commit: str) -> list[CommitFile]:
    """The files, links and submodules of a commit, in git's order, without hidden ones.

    Git lists as it walks, so that a repository of a few trees that stand for a billion files is left after
    `limits.MAX_FILES`. Folders count as files, since they may be empty.

    Raises:
        UserError: there are more files, deeper folders or longer names than `limits` allow, or git cannot list them.
    """
    found: list[CommitFile] = []
    with _reading(folder, "ls-tree", "-r", "-t", "-z", "--full-tree", commit) as listing:
        for number, record in enumerate(_records(listing.stdout), start=1):
            if number > limits.MAX_FILES:
                raise UserError(f"the commit has more than {limits.MAX_FILES:,} files and folders; split it up")
            described, _, name = record.partition(b"\t")
            mode, _, content = described.decode().split()
            path = os.fsdecode(name)
            limits.check_name(path)
            if mode != FOLDER and not any(part.startswith(".") for part in path.split("/")):
                found.append(CommitFile(mode, content, path))
    if listing.returncode:
        raise UserError(f"git could not list the files of {commit[:7]}: the repository is damaged or incomplete")
    return found


def write_files(folder: Path, files: Sequence[CommitFile], target: Path) -> list[Entry]:
    """Writes files of a commit as they are stored, numbered, to `target`.

    Raises:
        UserError: one is larger than `limits.MAX_FILE_BYTES`, they are larger than the disk has room for, or far larger
            than the repository; or git cannot read one. Names the file where it is one.
    """
    sizes = _sizes(folder, {file.content for file in files})
    for file in files:
        if sizes.get(file.content, limits.MAX_FILE_BYTES + 1) > limits.MAX_FILE_BYTES:
            raise UserError(
                f"{plain(file.name)} is larger than {limits.MAX_FILE_BYTES / 1e6:,.0f} MB, which no file of a data set "
                "is, or the repository lacks it; name what to import with --only"
            )
    size = sum(sizes[file.content] for file in files)
    limits.UnpackLimits(_objects_bytes(folder)).use(len(files), size)
    check_disk_space(folder, size)
    target.mkdir(parents=True)
    entries = []
    with _reading(folder, "cat-file", "--batch", stdin=subprocess.PIPE) as reader:
        for file in tqdm(files, desc="reading from git", unit=" files", delay=1, leave=False):
            path = target / f"{len(entries):06}"
            _write_content(reader, file, sizes[file.content], path)
            entries.append(Entry(file.name, path))
        reader.stdin.close()
    return entries


def files_of(
    clone_folder: Path, commit: str, wanted: Callable[[str], bool], target: Path
) -> tuple[list[Entry], list[str]]:
    """Writes the files of a commit whose names are `wanted` to `target`; prints what links and submodules there are.

    Returns:
        The files, and the names of the submodules.

    Raises:
        UserError: as `list_files` and `write_files` do.
    """
    listed = list_files(clone_folder, commit)
    submodules = [file.name for file in listed if file.mode == SUBMODULE]
    if submodules:
        print(f"submodules, not imported; import each from its own address: {plain(', '.join(submodules))}")
    files = [file for file in listed if file.mode != SUBMODULE and wanted(file.name)]
    links = [file.name for file in files if file.mode == LINK]
    if links:
        print(f"symbolic links, not imported: {len(links):,}, such as {plain(links[0])}")
    return write_files(clone_folder, [file for file in files if file.mode != LINK], target), submodules


def print_uncommitted(worktree: Sequence[Entry], committed: Sequence[Entry]) -> None:
    """Warns of files that differ from the commit that is imported, or are not in it.

    The files are compared here, since `git status` would run the filters that a foreign repository configures.
    """
    by_name = {entry.name: entry.path for entry in committed}
    uncommitted = [
        entry.name
        for entry in worktree
        if entry.name not in by_name or not filecmp.cmp(entry.path, by_name[entry.name], shallow=False)
    ]
    if uncommitted:
        print(
            f"warning: the last commit is imported; not committed are {len(uncommitted):,} files, such as "
            f"{plain(min(uncommitted))}: commit them first, or import a copy of the folder without its .git"
        )


def _check_fetched(folder: Path, address: str) -> None:
    fetched = _bytes_below(folder)
    if fetched > limits.MAX_FETCHED_BYTES:
        raise UserError(
            f"{address} sends more than {limits.MAX_FETCHED_BYTES / 1e6:,.0f} MB, the limit; clone it yourself "
            "and import that folder, or import a part of it as an archive"
        )
    check_disk_space(folder.parent, 0)


def _objects_bytes(folder: Path) -> int:
    """Bytes of a clone's objects, with those of the local repository that it refers to."""
    objects = folder / ".git" / "objects"
    alternates = objects / "info" / "alternates"
    others = alternates.read_text(encoding="utf-8").splitlines() if alternates.exists() else []
    return sum(_bytes_below(place) for place in (objects, *map(Path, others)))


def _bytes_below(folder: Path) -> int:
    """Bytes of the files below a folder in which git may be at work."""
    size = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                size += os.lstat(Path(place, name)).st_size
            except FileNotFoundError:
                continue
    return size


def _sizes(folder: Path, contents: set[str]) -> dict[str, int]:
    """Bytes of contents by hash, without those that the clone does not have."""
    asked = "".join(f"{content}\n" for content in sorted(contents)).encode()
    answers = _git(folder, "cat-file", "--batch-check=%(objectname) %(objectsize)", input=asked).decode().splitlines()
    return {content: int(size) for content, size in map(str.split, answers) if size.isdigit()}


@contextmanager
def _reading(folder: Path, *arguments: str, stdin: int = subprocess.DEVNULL) -> Iterator[subprocess.Popen]:
    """Git with its output to read; it is ended when the block fails."""
    command = ["git", *SAFE_GIT, "-C", str(folder), *arguments]
    with subprocess.Popen(command, env=_environment(), stdin=stdin, stdout=subprocess.PIPE) as reader:
        try:
            yield reader
        except BaseException:
            reader.kill()
            raise


def _records(stream: BinaryIO) -> Iterator[bytes]:
    """The parts of a stream that end in a zero byte.

    Raises:
        UserError: one is far longer than a name may be.
    """
    rest = b""
    while block := stream.read(1 << 16):
        *records, rest = (rest + block).split(b"\0")
        yield from records
        if len(rest) > 2 * limits.MAX_NAME_BYTES:
            limits.check_name(os.fsdecode(rest))


def _write_content(reader: subprocess.Popen, file: CommitFile, size: int, path: Path) -> None:
    reader.stdin.write(f"{file.content}\n".encode())
    reader.stdin.flush()
    header = reader.stdout.readline().decode().split()
    if header[1:] != ["blob", str(size)]:
        raise UserError(f"git cannot read {plain(file.name)}: the repository is damaged or incomplete")
    with path.open("xb") as target:
        left = size
        while left and (block := reader.stdout.read(min(left, 1 << 20))):
            target.write(block)
            left -= len(block)
    if left or reader.stdout.read(1) != b"\n":
        raise UserError(f"git cannot read {plain(file.name)}: the repository is damaged or incomplete")


def _git(folder: Path, *arguments: str, **options: Any) -> bytes:
    return git.run(*SAFE_GIT, "-C", str(folder), *arguments, env=_environment(), **options).stdout.strip()


def _environment() -> dict[str, str]:
    """For git, which may not ask for a password."""
    environment = {name: value for name, value in os.environ.items() if name not in OTHER_REPOSITORY}
    return environment | {"GIT_ALLOW_PROTOCOL": PROTOCOLS, "GIT_TERMINAL_PROMPT": "0"}
