"""Where a content that dvc.lock names still exists, undamaged: in the workspace, in DVC's cache or in git."""

import json
from pathlib import Path, PurePosixPath
from typing import Any

from apparel import paths
from apparel.errors import UserError, some_of
from apparel.utils import yaml
from apparel.utils.addresses import reason
from apparel.versioning import dvc_hash, dvc_lock, git

NAMED = 3
"""Files of a folder that an error names."""


class ContentFinder:
    """Finds the contents that a lock names.

    Args:
        lock: its outputs and inputs are looked for.
        tree: a folder with the files of the lock's commit.
    """

    def __init__(self, lock: dvc_lock.Lock, tree: Path) -> None:
        self._cache = _cache()
        self._lock = lock
        self._tree = tree
        self._expected = dvc_lock.read_workspace().hashes()

    def locate(self, path: str, md5: str) -> tuple[str, str]:
        """Where a content is, and what is wrong with it, found by hashing it; empty texts for nowhere and for nothing.

        Contents of the workspace's own lock are looked up in the workspace, those of other commits in the cache.
        """
        if self._expected.get(path) == md5 and Path(path).exists():
            return "workspace", self._change_in_workspace(path, md5)
        if self._cache_path(md5).exists():
            return "cache", self._damage_in_cache(path, md5)
        tracked = self._tree / path
        if tracked.exists() and dvc_hash.path_hash(tracked) == md5:
            return "git", ""
        return "", f"neither in the workspace nor in DVC's cache; {self._fetch_hint(path)}"

    def files(self, path: str, md5: str) -> dict[str, str]:
        """The hash of each file of a folder, by name; none if the folder is not complete."""
        if not md5.endswith(".dir"):
            return {}
        hashes = self._cached_list(md5)
        if not hashes and self._expected.get(path) == md5 and Path(path).is_dir():
            hashes = dvc_hash.file_md5s(Path(path))
        return hashes if dvc_hash.folder_hash(hashes) == md5 else {}

    def _change_in_workspace(self, path: str, md5: str) -> str:
        if dvc_hash.path_hash(Path(path)) == md5:
            return ""
        before = self.files(path, md5)
        now = dvc_hash.file_md5s(Path(path)) if before and Path(path).is_dir() else {}
        differing = sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))
        names = f" ({some_of(differing, NAMED)} of {len(before)} files)" if differing else ""
        return f"changed in the workspace{names}; {self.restore_hint(path, md5)}"

    def restore_hint(self, path: str, md5: str) -> str:
        """How to restore this content at a path that has another."""
        if _in_git(path, md5):
            more = "; delete untracked files in it" if Path(path).is_dir() else ""
            return f"`git restore {path}` brings it back{more}"
        if not self._cache_path(md5).exists():
            return self._fetch_hint(path)
        # Delete first: DVC asks before it overwrites, and skips a file whose time stamp is unchanged.
        hint = (
            self._damage_in_cache(path, md5) or f"to restore it, delete the present one and run `dvc checkout {path}`"
        )
        return hint if self._lock.maker(path) else f"{hint}; `dvc repro` takes it as new"

    def _damage_in_cache(self, path: str, md5: str) -> str:
        hashes = self._cached_list(md5) if md5.endswith(".dir") else {path: md5}
        if not hashes and dvc_hash.folder_hash({}) != md5:
            damaged_list = self._cache_path(md5)
            return f"the list of its files in DVC's cache is damaged: delete {damaged_list}, {self._fetch_hint(path)}"
        missing = [name for name, file_md5 in hashes.items() if not self._cache_path(file_md5).exists()]
        if missing:
            return f"DVC's cache lacks {some_of(missing, NAMED)} of {len(hashes)} files; {self._fetch_hint(path)}"
        damaged = [
            name for name, file_md5 in hashes.items() if dvc_hash.file_md5(self._cache_path(file_md5)) != file_md5
        ]
        if damaged:
            first = self._cache_path(hashes[damaged[0]])
            names = f"{some_of(damaged, NAMED)} of {len(hashes)} files"
            return f"damaged in DVC's cache: {names}; delete {first}, {self._fetch_hint(path)}"
        return ""

    def _cached_list(self, md5: str) -> dict[str, str]:
        """The hashes of a folder's files by name, as the cache lists them; none if the list is missing or damaged."""
        try:
            content = self._cache_path(md5).read_bytes()
            hashes = {entry["relpath"]: entry["md5"] for entry in json.loads(content)}
        except (OSError, ValueError, KeyError, TypeError):
            return {}
        return hashes if f"{dvc_hash.bytes_md5(content)}.dir" == md5 else {}

    def _cache_path(self, md5: str) -> Path:
        return Path(self._cache.oid_to_path(md5))

    def _fetch_hint(self, path: str) -> str:
        if not PurePosixPath(path).is_relative_to(paths.DATA):
            return "`git fetch` brings it if a commit of others has it"
        other_way = "`dvc repro` makes it again" if self._lock.maker(path) else "or import it again"
        hint = f"`dvc pull {path}` fetches it from a remote, {other_way}"
        if self._lock.revision:
            return f"with commit {self._lock.revision[:7]} checked out, {hint}"
        return f"{hint}, `git restore dvc.lock` undoes an edit of that file"


def tracked_problem(path: str, md5: str, tree: Path) -> str:
    """What is wrong with the `.dvc` file of an input; empty if it has this hash, or there is no such file."""
    file = tree / f"{path}.dvc"
    if not file.exists():
        return ""
    try:
        tracked_md5 = yaml.load(file)["outs"][0]["md5"]
    except (UserError, LookupError, TypeError):
        return f"{path}.dvc is damaged: git restore {path}.dvc"
    return "" if tracked_md5 == md5 else f"{path}.dvc has another hash, {tracked_md5}; `dvc repro` takes it as new"


def hash_of_path(path: Path) -> str:
    """DVC's hash of a file or folder that the user named.

    Raises:
        UserError: it is an empty folder, a folder that holds the project, a device, or cannot be read.
    """
    if not path.is_file() and not path.is_dir():
        raise UserError(f"{path} is neither a file nor a folder")
    if path.is_dir() and Path.cwd().is_relative_to(path.resolve()):
        raise UserError(f"{path} is no result: the project lies in it")
    if path.is_dir() and not any(path.iterdir()):
        raise UserError(f"{path} is empty")
    return dvc_hash.path_hash(path)


def _in_git(path: str, md5: str) -> bool:
    """Whether HEAD has this content at this path; for a folder, whether it has any file in it."""
    tracked = git.read_file("HEAD", path)
    if tracked is not None:
        return dvc_hash.bytes_md5(tracked) == md5
    return any(PurePosixPath(name).is_relative_to(path) for name in git.tracked_files())


def _cache() -> Any:
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo() as repo:
            return repo.cache.local
    except DvcException as error:
        raise UserError(f"DVC cannot open the project ({reason(error)}); run from the root folder of a clone") from None
