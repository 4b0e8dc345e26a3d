"""What git knows: commits and experiments by name, those that hold a text, and their files."""

import os
import subprocess
from pathlib import Path

from apparel.errors import UserError

EXPERIMENTS = "refs/exps"
"""Where DVC keeps experiments: refs/exps/<first 2 digits of the baseline>/<the other 38>/<name>."""


def commit(name: str) -> str | None:
    """The full hash of the commit that a name, as git takes one, stands for."""
    found = _run("rev-parse", "--quiet", "--verify", "--end-of-options", f"{name}^{{commit}}")
    return found.stdout.decode().strip() if found.returncode == 0 else None


def experiments() -> dict[str, list[str]]:
    """The commits of each DVC experiment's name; several where it was given on more than one baseline."""
    found: dict[str, list[str]] = {}
    for line in _run("for-each-ref", "--format=%(objectname) %(refname)", EXPERIMENTS).stdout.decode().splitlines():
        revision, _, ref = line.partition(" ")
        parts = ref.split("/")
        if len(parts) == 5 and len(parts[2]) == 2 and len(parts[3]) == 38:
            found.setdefault(parts[4], []).append(revision)
    return found


def experiment_of(revision: str | None) -> str | None:
    """The name of the experiment that this commit is, if it is one."""
    return next((name for name, revisions in experiments().items() if revision in revisions), None)


def resolve(name: str) -> str:
    """The commit that is meant by a commit's, a branch's or an experiment's name.

    Raises:
        UserError: an experiment of that name is on more than one baseline; names their commits.
        LookupError: nothing has that name.
    """
    revisions = experiments().get(name, [])
    if len(revisions) > 1:
        raise UserError(f"{len(revisions)} experiments are called {name}: say which commit, {' or '.join(revisions)}")
    found = revisions[0] if revisions else commit(name)
    if not found:
        raise LookupError(name)
    return found


def mentioning(text: str, files: list[str]) -> list[str]:
    """The commits, of branches and of experiments, newest first, that brought a text into a file or took it out."""
    return _run("log", "--all", "--format=%H", f"-S{text}", "--", *files).stdout.decode().split()


def read(revision: str, path: str) -> bytes | None:
    """A file as a commit has it, or None."""
    found = _run("cat-file", "blob", f"{revision}:{path}")
    return found.stdout if found.returncode == 0 else None


def files() -> list[str]:
    """The files that git tracks, by their paths from the root of the work tree."""
    listed = _run("ls-files", "-z", "--cached").stdout
    return [os.fsdecode(name) for name in listed.split(b"\0") if name]


def lay_out(revision: str, folder: Path, patch: bytes = b"") -> None:
    """Writes the files of a commit, with a patch applied, into an empty folder; the repository is left as it is.

    Raises:
        UserError: the patch does not fit the commit.
    """
    objects = Path(_run("rev-parse", "--git-path", "objects").stdout.decode().strip()).absolute()
    tree, new_objects = folder / "tree", folder / "objects"
    new_objects.mkdir(parents=True)
    tree.mkdir()
    apart = {
        "GIT_INDEX_FILE": str((folder / "index").absolute()),
        "GIT_OBJECT_DIRECTORY": str(new_objects.absolute()),
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(objects),
    }
    _run("read-tree", revision, **apart)
    if patch and _run("apply", "--cached", "--whitespace=nowarn", "-", given=patch, **apart).returncode:
        raise UserError(f"the recorded changes.patch does not fit commit {revision[:7]}")
    _run("checkout-index", "--all", f"--prefix={tree.absolute().as_posix()}/", **apart)


def _run(*arguments: str, given: bytes = b"", **environment: str) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(
            ["git", *arguments], input=given, env=os.environ | environment, capture_output=True, check=False
        )
    except FileNotFoundError:
        raise UserError("git is not installed, or not on PATH") from None
