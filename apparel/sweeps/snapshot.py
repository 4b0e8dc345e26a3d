"""Snapshot of the project at the start of a study: the code and data that all its trials use, whatever is edited later.

A snapshot is a git commit: HEAD, or what `git stash create` makes of HEAD and uncommitted changes, which touches
neither the working tree nor the stash. A reference under `refs/apparel` protects it from git's garbage collection.

Ours, since `dvc exp run --temp`, which carries uncommitted changes as well, takes them again for each trial.
"""

from dataclasses import dataclass
from pathlib import Path

from apparel.errors import UserError, some_of
from apparel.versioning import git

CARRIED = ("apparel", "stages", "configs", "data", "dvc.yaml", "params.yaml")
"""Paths that a training depends on: an untracked file in them would be missing in a trial."""

GENERATED = (":(exclude)data/results", ":(exclude,glob)**/dvc.lock")
"""Git's pathspecs of files that DVC makes, which may be untracked."""


@dataclass(frozen=True)
class Snapshot:
    """A state of the project.

    Attributes:
        commit: HEAD, the baseline of the study's DVC experiments.
        state: the commit with uncommitted changes as well; equal to `commit` if there are none.
        tree: git's hash of the content of `state`, which is the same in every clone.
    """

    commit: str
    state: str
    tree: str

    @property
    def is_changed(self) -> bool:
        """Whether it has uncommitted changes."""
        return self.state != self.commit


def take(config: Path) -> Snapshot:
    """Takes a snapshot of the project.

    Args:
        config: the sweep's file, which may be untracked: it is read only once.

    Raises:
        UserError: this is not the root of a git repository with a commit, or an untracked file would be missing.
    """
    commit = git.root_commit("a sweep")
    listed = git.output("ls-files", "--others", "--exclude-standard", "-z", "--", *CARRIED, *GENERATED)
    untracked = [name for name in listed.split("\0") if name and Path(name) != config]
    if untracked:
        names = some_of(untracked, 5)
        raise UserError(f"git does not track {names}: trials would not have it; `git add` it, or move it elsewhere")
    # In a copied project all files have other times than git noted, and `git stash create` fails without a word.
    git.run("update-index", "-q", "--refresh")
    state = git.output("stash", "create", "sweep") or commit
    return Snapshot(commit, state, git.output("rev-parse", f"{state}^{{tree}}"))


def keep(study: str, snapshot: Snapshot) -> None:
    """Protects a study's snapshot from git's garbage collection."""
    git.output("update-ref", _reference(study), snapshot.state)


def is_kept(snapshot: Snapshot) -> bool:
    """Whether this repository has the snapshot."""
    try:
        git.output("cat-file", "-e", f"{snapshot.state}^{{commit}}")
    except UserError:
        return False
    return True


def read(snapshot: Snapshot, path: str) -> str:
    """Text of a file in the snapshot, without white space at its ends."""
    return git.output("show", f"{snapshot.state}:{path}")


def _reference(study: str) -> str:
    return f"refs/apparel/sweeps/{study}"
