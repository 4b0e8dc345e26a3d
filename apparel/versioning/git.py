"""Git: running it, commits and DVC experiments by name, and the files that a commit has."""

import os
import subprocess
from pathlib import Path
from typing import Any

from apparel.errors import UserError

EXPERIMENTS = "refs/exps"
"""Where DVC keeps experiments: refs/exps/<first 2 digits of the baseline>/<the other 38>/<name>."""


def run(*arguments: str, **options: Any) -> subprocess.CompletedProcess:
    """Runs git and captures what it prints, as bytes; `options` are those of `subprocess.run` and come first.

    A failure of git is no error here: the caller looks at `returncode`.

    Raises:
        UserError: git is not installed.
    """
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    try:
        return subprocess.run(["git", *arguments], check=False, **options)
    except FileNotFoundError:
        raise UserError("git is not installed, or not on PATH") from None


def output(*arguments: str, folder: Path = Path()) -> str:
    """What git prints in `folder`, without white space around it.

    Raises:
        UserError: git is not installed, or fails; its own words are the message.
    """
    done = run(*arguments, cwd=folder)
    if done.returncode:
        raise UserError(f"git {arguments[0]}: {' '.join(done.stderr.decode(errors='replace').split())}")
    return done.stdout.decode(errors="replace").strip()


def commit(name: str) -> str | None:
    """The full hash of the commit that a name, as git takes one, stands for."""
    found = run("rev-parse", "--quiet", "--verify", "--end-of-options", f"{name}^{{commit}}")
    return found.stdout.decode().strip() if found.returncode == 0 else None


def experiments() -> dict[str, list[str]]:
    """The commits of each DVC experiment's name; several where it was given on more than one baseline."""
    found: dict[str, list[str]] = {}
    for line in run("for-each-ref", "--format=%(objectname) %(refname)", EXPERIMENTS).stdout.decode().splitlines():
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


def commits_changing(text: str, files: list[str]) -> list[str]:
    """The commits, of branches and of experiments, newest first, that brought a text into a file or took it out."""
    return run("log", "--all", "--format=%H", f"-S{text}", "--", *files).stdout.decode().split()


def read_file(revision: str, path: str) -> bytes | None:
    """A file as a commit has it, or None."""
    found = run("cat-file", "blob", f"{revision}:{path}")
    return found.stdout if found.returncode == 0 else None


def tracked_files() -> list[str]:
    """The files that git tracks, by their paths from the root of the work tree."""
    listed = run("ls-files", "-z", "--cached").stdout
    return [os.fsdecode(name) for name in listed.split(b"\0") if name]


def export_commit(revision: str, folder: Path, patch: bytes = b"") -> None:
    """Writes the files of a commit, with a patch applied, into an empty folder; the repository is left as it is.

    Raises:
        UserError: the patch does not fit the commit.
    """
    objects = Path(run("rev-parse", "--git-path", "objects").stdout.decode().strip()).absolute()
    tree, new_objects = folder / "tree", folder / "objects"
    new_objects.mkdir(parents=True)
    tree.mkdir()
    environment = os.environ | {
        "GIT_INDEX_FILE": str((folder / "index").absolute()),
        "GIT_OBJECT_DIRECTORY": str(new_objects.absolute()),
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(objects),
    }
    run("read-tree", revision, env=environment)
    if patch and run("apply", "--cached", "--whitespace=nowarn", "-", input=patch, env=environment).returncode:
        raise UserError(f"the recorded changes.patch does not fit commit {revision[:7]}")
    run("checkout-index", "--all", f"--prefix={tree.absolute().as_posix()}/", env=environment)
