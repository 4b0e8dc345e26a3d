"""Where data comes from: a folder, an archive or a git repository, opened as one list of files."""

import filecmp
import hashlib
import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PureWindowsPath

from tqdm import tqdm

from apparel.data.ingest.archives import Allowance, Entry, is_archive, unpack
from apparel.errors import UserError, plain
from apparel.versioning import git

PROTOCOLS = "file:git:https:ssh"
"""What git may use; others, such as `ext`, run commands."""

SAFE_GIT = [
    *("-c", f"core.hooksPath={os.devnull}"),
    *("-c", "core.symlinks=false"),
    *("-c", "core.autocrlf=false"),
    *("-c", "core.fsmonitor=false"),
]

LFS_POINTER = b"version https://git-lfs.github.com/spec/"

OTHER_REPOSITORY = {
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_COMMON_DIR",
    "GIT_PREFIX",
}
"""Variables that a git hook or alias, should it call this, leaves set to its own repository."""


@dataclass(frozen=True)
class Opened:
    """The files of a source, sorted by name; `origin` is what is recorded of where they come from."""

    entries: list[Entry]
    origin: dict


def read(source: str, rev: str | None, only: Sequence[str], work: Path) -> Opened:
    """Opens a source: archives in it are unpacked, and archives in those.

    Args:
        source: a path or a git address, as typed.
        rev: a commit, branch or tag of a git repository; its HEAD by default.
        only: patterns, as in a shell, of the files, folders or archives to take, or of what is in an archive; all
            where there are none.
        work: an empty folder for what is fetched and unpacked.

    Raises:
        UserError: there is no such source, it is no folder, archive or repository, an archive is refused, files are
            only Git LFS's pointers to them, or no file matches the patterns.
    """
    kind = _kind(source)
    if rev and kind != "git":
        raise UserError(f"--rev goes with a git repository, and {source} is none")
    origin = {"source": recorded(source), "kind": kind}
    if kind == "git":
        origin |= {"rev": rev or "HEAD", "revision": _clone(source, rev, work / "clone")}
        origin |= _submodules(work / "clone")
    if only:
        origin["only"] = list(only)
    if kind == "file":
        found = [Entry(Path(source).name, Path(source))]
        unpacked = _unpacked(found, work / "unpacked")
        entries = [each for each in unpacked if _wanted(each.name, only) or _wanted(each.name.partition("/")[2], only)]
    else:
        root = work / "clone" if kind == "git" else Path(source)
        found = [entry for entry in _walk(root) if _wanted(entry.name, only) or _is_reached_into(entry.name, only)]
        links = [entry for entry in found if entry.path.is_symlink()]
        if links:
            print(f"not taken, since they are links: {len(links):,}, such as {plain(links[0].name)}")
            found = [entry for entry in found if not entry.path.is_symlink()]
        if kind == "git" and not rev and Path(source, ".git").exists():
            _tell_what_is_not_committed(Path(source), root, only)
        _refuse_pointers(found)
        entries = [entry for entry in _unpacked(found, work / "unpacked") if _wanted(entry.name, only)]
    origin["archives"] = [_describe(entry) for entry in _sorted(found) if is_archive(entry.name)]
    if loose := [entry for entry in _sorted(found) if not is_archive(entry.name)]:
        origin["loose"] = _describe_all(loose)
    _refuse_pointers(entries)
    if only and not entries:
        raise UserError(f"nothing in {recorded(source)} matches --only {' --only '.join(map(plain, only))}")
    return Opened(_sorted(entries), origin)


def recorded(source: str) -> str:
    """The address as typed, without what is only true on this machine: of an absolute path, its name; no password."""
    if re.match(r"file:", source, re.IGNORECASE) or Path(source).is_absolute() or PureWindowsPath(source).is_absolute():
        return PureWindowsPath(source.rstrip("/\\")).name
    if "://" in source:
        return re.sub(r"//[^/]*@", "//", source)
    return source.replace("\\", "/") if Path(source).exists() else source


def digest(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _kind(source: str) -> str:
    path = Path(source)
    if not source:
        raise UserError("SOURCE is empty; name a folder, an archive, or the address of a git repository")
    if path.is_file():
        return "file"
    bare = (path / "HEAD").is_file() and (path / "objects").is_dir()
    if bare or (path / ".git").exists() or re.match(r"\w+://|[\w.-]+@[\w.-]+:", source):
        return "git"
    if not path.is_dir():
        raise UserError(f"{source} not found; name a folder, an archive, or the address of a git repository")
    return "folder"


def _clone(source: str, rev: str | None, folder: Path) -> str:
    """Checks a revision out into `folder`; returns its full hash. No hooks, templates, links or submodules."""
    address = recorded(source)
    if _git("clone", "--no-checkout", "--template=", "--", source, str(folder)).returncode:
        raise UserError(f"git could not clone {address}; its reason is above")
    for name in (rev, f"origin/{rev}") if rev else ("HEAD",):
        asked = ("rev-parse", "--quiet", "--verify", "--end-of-options", f"{name}^{{commit}}")
        commit = _git("-C", str(folder), *asked, stdout=subprocess.PIPE).stdout.strip()
        if commit:
            break
    else:
        raise UserError(f"{address} has no revision '{rev or 'HEAD'}'; name a commit, a branch or a tag")
    if _git("-C", str(folder), "checkout", "--quiet", "--detach", commit).returncode:
        raise UserError(f"git could not check out {commit} of {address}; its reason is above")
    return commit


def _submodules(clone: Path) -> dict[str, list[str]]:
    """The repositories in a repository, which its clone has as empty folders, if any; the user is told."""
    listed = _git("-C", str(clone), "ls-files", "--stage", stdout=subprocess.PIPE).stdout.splitlines()
    found = [line.partition("\t")[2] for line in listed if line.startswith("160000 ")]
    if not found:
        return {}
    print(f"not taken, since they are repositories of their own; import each by itself: {plain(', '.join(found))}")
    return {"submodules": found}


def _tell_what_is_not_committed(worktree: Path, clone: Path, only: Sequence[str]) -> None:
    """Compares by content: git itself would run what filters a stranger's repository asks for."""
    names = [entry.name for entry in _walk(worktree) if _wanted(entry.name, only) and not entry.path.is_symlink()]
    _, changed, unknown = filecmp.cmpfiles(worktree, clone, names, shallow=False)
    if others := sorted(changed + unknown):
        print(
            f"warning: taken as committed; {len(others):,} files there are not, such as {plain(others[0])}: "
            "commit them first, or import a copy of the folder without its .git"
        )


def _refuse_pointers(entries: Sequence[Entry]) -> None:
    """Where Git LFS was not at work, a file is a note of 130 bytes that says which content belongs there."""
    pointers = [entry for entry in entries if _starts_with(entry.path, LFS_POINTER)]
    if pointers:
        raise UserError(
            f"{len(pointers)} of {len(entries)} files, such as {plain(pointers[0].name)}, are pointers of Git LFS, not "
            "the files: fetch those by `git lfs pull` in a clone of your own, and import that folder without its .git, "
            "or name what to take with --only"
        )


def _starts_with(path: Path, start: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(start)) == start


def _git(*arguments: str, stdout: int | None = None) -> subprocess.CompletedProcess:
    """Runs git, its progress and errors for the user to see; it may not ask for a password."""
    environment = {name: value for name, value in os.environ.items() if name not in OTHER_REPOSITORY}
    environment |= {"GIT_ALLOW_PROTOCOL": PROTOCOLS, "GIT_TERMINAL_PROMPT": "0"}
    return git.run(*SAFE_GIT, *arguments, env=environment, stdout=stdout, stderr=None, text=True)


def _walk(root: Path) -> Iterator[Entry]:
    """Files below a folder, by name, and links of any kind; hidden ones are left out."""

    def refuse(error: OSError) -> None:
        raise UserError(f"{error.filename} cannot be read: {error.strerror}")

    for folder, folders, files in os.walk(root, onerror=refuse):
        files += [name for name in folders if Path(folder, name).is_symlink()]
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(folder, name)
            if not name.startswith(".") and (path.is_symlink() or path.is_file()):
                yield Entry(path.relative_to(root).as_posix(), path)


def _unpacked(entries: Sequence[Entry], work: Path) -> list[Entry]:
    """The entries, with the content of archives, and of archives in those, in place of them."""
    found = []
    for number, entry in enumerate(entries):
        if is_archive(entry.name):
            allowance = Allowance(entry.path.stat().st_size)
            for inner in unpack(entry, work / f"{number:06}", allowance):
                folder = inner.path.with_suffix(".unpacked")
                found += unpack(inner, folder, allowance) if is_archive(inner.name) else [inner]
        else:
            found.append(entry)
    return found


def _wanted(name: str, only: Sequence[str]) -> bool:
    """Whether a pattern matches the name or a folder above it."""
    parts = name.split("/")
    above = ["/".join(parts[:depth]) for depth in range(1, len(parts) + 1)]
    return not only or any(fnmatchcase(path, pattern.rstrip("/")) for path in above for pattern in only)


def _is_reached_into(name: str, only: Sequence[str]) -> bool:
    """Whether this is an archive, and a pattern goes on behind its name."""
    above = [
        "/".join(pattern.split("/")[: name.count("/") + 1]) for pattern in only if pattern.count("/") > name.count("/")
    ]
    return is_archive(name) and any(fnmatchcase(name, pattern) for pattern in above)


def _sorted(entries: Iterable[Entry]) -> list[Entry]:
    return sorted(entries, key=lambda entry: entry.name)


def _describe(entry: Entry) -> dict:
    return {"name": entry.name, "bytes": entry.path.stat().st_size, "sha256": digest(entry.path)}


def _describe_all(entries: Sequence[Entry]) -> dict:
    """The SHA-256 is of the lines that `sha256sum` prints for the files by name, in the order of their names."""
    listed = hashlib.sha256()
    for entry in tqdm(entries, desc="hashing", unit=" files", delay=1, leave=False):
        listed.update(f"{digest(entry.path)}  {entry.name}\n".encode("utf-8", errors="surrogateescape"))
    size = sum(entry.path.stat().st_size for entry in entries)
    return {"files": len(entries), "bytes": size, "sha256": listed.hexdigest()}
