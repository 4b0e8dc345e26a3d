"""Whether a content that a lock names is still to be had, whole: in the workspace, in DVC's cache or in git."""

import json
from pathlib import Path, PurePosixPath
from typing import Any

from apparel import paths
from apparel.errors import UserError, one_line, some_of
from apparel.utils import yaml
from apparel.versioning import dvc_hash, dvc_lock, git

NAMED = 3
"""How many files of a folder an error names."""


class Contents:
    """Looks for what a lock names.

    Args:
        lock: whose outputs and inputs are looked for.
        tree: the files that git holds of the lock's commit.
    """

    def __init__(self, lock: dvc_lock.Lock, tree: Path) -> None:
        self._cache = _cache()
        self._lock = lock
        self._tree = tree
        self._expected = dvc_lock.workspace().hashes()

    def check(self, path: str, md5: str) -> tuple[str, str]:
        """Hashes a file or folder; returns where it lies, and what is wrong with it or nothing.

        The workspace is held to the lock that lies in it. A lock of another commit is looked up in the cache.
        """
        if self._expected.get(path) == md5 and Path(path).exists():
            return "workspace", self._changed(path, md5)
        if self._cached(md5).exists():
            return "cache", self._damaged(path, md5)
        tracked = self._tree / path
        if tracked.exists() and dvc_hash.content(tracked) == md5:
            return "git", ""
        return "", f"neither in the workspace nor in DVC's cache; {self._fetch(path)}"

    def files(self, path: str, md5: str) -> dict[str, str]:
        """The hash of each file of a folder, by name; none where the folder is not to be had whole."""
        if not md5.endswith(".dir"):
            return {}
        listed = self._listed(md5)
        if not listed and self._expected.get(path) == md5 and Path(path).is_dir():
            listed = dvc_hash.within(Path(path))
        return listed if dvc_hash.folder(listed) == md5 else {}

    def _changed(self, path: str, md5: str) -> str:
        found = dvc_hash.content(Path(path))
        if found == md5:
            return ""
        was = self.files(path, md5)
        now = dvc_hash.within(Path(path)) if was and Path(path).is_dir() else {}
        differing = sorted(name for name in was.keys() | now.keys() if was.get(name) != now.get(name))
        which = f" ({some_of(differing, NAMED)} of {len(was)} files)" if differing else ""
        return f"changed in the workspace{which}; {self.restore(path, md5)}"

    def restore(self, path: str, md5: str) -> str:
        """How to have this content back where another lies."""
        if _in_git(path, md5):
            more = "; delete there what git does not know" if Path(path).is_dir() else ""
            return f"`git restore {path}` brings it back{more}"
        if not self._cached(md5).exists():
            return self._fetch(path)
        # Deleted first: DVC asks before it overwrites, and takes a file with its time stamp unchanged for the same.
        found = self._damaged(path, md5) or f"to have it back, delete what is there and run `dvc checkout {path}`"
        return found if self._lock.maker(path) else f"{found}; `dvc repro` takes it as new"

    def _damaged(self, path: str, md5: str) -> str:
        parts = self._listed(md5) if md5.endswith(".dir") else {path: md5}
        if not parts and dvc_hash.folder({}) != md5:
            return f"the list of its files in DVC's cache is damaged: delete {self._cached(md5)}, {self._fetch(path)}"
        missing = [name for name, each in parts.items() if not self._cached(each).exists()]
        if missing:
            return f"DVC's cache lacks {some_of(missing, NAMED)} of {len(parts)} files; {self._fetch(path)}"
        damaged = [name for name, each in parts.items() if dvc_hash.file(self._cached(each)) != each]
        if damaged:
            which = f"{some_of(damaged, NAMED)} of {len(parts)} files"
            return f"damaged in DVC's cache: {which}; delete {self._cached(parts[damaged[0]])}, {self._fetch(path)}"
        return ""

    def _listed(self, md5: str) -> dict[str, str]:
        """The files of a folder as the cache lists them; none when it does not, or not rightly."""
        try:
            content = self._cached(md5).read_bytes()
            listed = {each["relpath"]: each["md5"] for each in json.loads(content)}
        except (OSError, ValueError, KeyError, TypeError):
            return {}
        return listed if f"{dvc_hash.data(content)}.dir" == md5 else {}

    def _cached(self, md5: str) -> Path:
        return Path(self._cache.oid_to_path(md5))

    def _fetch(self, path: str) -> str:
        if not PurePosixPath(path).is_relative_to(paths.DATA):
            return "`git fetch` brings it where a commit of others has it"
        again = "`dvc repro` makes it again" if self._lock.maker(path) else "or import it anew"
        fetched = f"`dvc pull {path}` fetches it from a remote, {again}"
        if self._lock.revision:
            return f"with commit {self._lock.revision[:7]} checked out, {fetched}"
        return f"{fetched}, `git restore dvc.lock` takes back an edit of that"


def check_tracked(path: str, md5: str, tree: Path) -> str:
    """What is wrong with a `.dvc` file that should name this content, or nothing; also where there is none."""
    file = tree / f"{path}.dvc"
    if not file.exists():
        return ""
    try:
        found = yaml.load(file)["outs"][0]["md5"]
    except (UserError, LookupError, TypeError):
        return f"{path}.dvc is damaged: git restore {path}.dvc"
    return "" if found == md5 else f"{path}.dvc names another content, {found}; `dvc repro` takes that as new"


def hash_of(path: Path) -> str:
    """DVC's hash of what a person named.

    Raises:
        UserError: it is an empty folder or one that the project lies in, no file at all, or cannot be read.
    """
    if not path.is_file() and not path.is_dir():
        raise UserError(f"{path} is neither a file nor a folder")
    if path.is_dir() and Path.cwd().is_relative_to(path.resolve()):
        raise UserError(f"{path} is no result: the project lies in it")
    if path.is_dir() and not any(path.iterdir()):
        raise UserError(f"{path} is empty")
    return dvc_hash.content(path)


def _in_git(path: str, md5: str) -> bool:
    """Whether the commit that is checked out has this content, or a folder with files of that path."""
    tracked = git.read("HEAD", path)
    if tracked is not None:
        return dvc_hash.data(tracked) == md5
    return any(PurePosixPath(name).is_relative_to(path) for name in git.files())


def _cache() -> Any:
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo() as repo:
            return repo.cache.local
    except DvcException as error:
        raise UserError(
            f"DVC cannot open the project ({one_line(error)}); run from the root folder of a clone"
        ) from None
