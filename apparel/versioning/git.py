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
    """The full hash of the commit that a name (hash, branch, tag, `HEAD~2`) stands for; None if there is none."""
    done = run("rev-parse", "--quiet", "--verify", "--end-of-options", f"{name}^{{commit}}")
    return done.stdout.decode().strip() if done.returncode == 0 else None


def experiments() -> dict[str, list[str]]:
    """The commits by the name of the DVC experiment; several if experiments of one name have different baselines."""
    commits: dict[str, list[str]] = {}
    for line in run("for-each-ref", "--format=%(objectname) %(refname)", EXPERIMENTS).stdout.decode().splitlines():
        revision, _, ref = line.partition(" ")
        parts = ref.split("/")
        if len(parts) == 5 and len(parts[2]) == 2 and len(parts[3]) == 38:
            commits.setdefault(parts[4], []).append(revision)
    return commits


def experiment_of(revision: str | None) -> str | None:
    """The name of the experiment whose commit this is, if it is one's."""
    return next((name for name, revisions in experiments().items() if revision in revisions), None)


def resolve(name: str) -> str:
    """The commit of a name that is an experiment's, or one that git takes.

    Raises:
        UserError: an experiment of that name is on more than one baseline; names their commits.
        LookupError: nothing has that name.
    """
    revisions = experiments().get(name, [])
    if len(revisions) > 1:
        raise UserError(f"{len(revisions)} experiments are called {name}: say which commit, {' or '.join(revisions)}")
    revision = revisions[0] if revisions else commit(name)
    if not revision:
        raise LookupError(name)
    return revision


def commits_changing(text: str, files: list[str]) -> list[str]:
    """The commits, of branches and experiments, newest first, that added a text to one of the files or removed it."""
    return run("log", "--all", "--format=%H", f"-S{text}", "--", *files).stdout.decode().split()


def read_file(revision: str, path: str) -> bytes | None:
    """The content of a file in a commit; None if it has no such file."""
    done = run("cat-file", "blob", f"{revision}:{path}")
    return done.stdout if done.returncode == 0 else None


def tracked_files() -> list[str]:
    """The files that git tracks, by their paths from the root of the work tree."""
    listed = run("ls-files", "-z", "--cached").stdout
    return [os.fsdecode(name) for name in listed.split(b"\0") if name]


def export_commit(revision: str, folder: Path, patch: bytes = b"") -> None:
    """Writes the files of a commit, with a patch applied, to `folder / "tree"`; the repository stays unchanged.

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
