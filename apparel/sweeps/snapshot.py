"""The project as it was when a study began: what all its trials train, whatever is edited meanwhile.

A snapshot is a git commit: HEAD, or what `git stash create` makes of HEAD and uncommitted changes, which touches
neither the working tree nor the stash. A reference of its own keeps it from git's clearing up.
"""

from dataclasses import dataclass
from pathlib import Path

from apparel.errors import UserError, some_of
from apparel.versioning import git

CARRIED = ("apparel", "stages", "configs", "data", "dvc.yaml", "params.yaml")
MADE = (":(exclude)data/results", ":(exclude,glob)**/dvc.lock")
"""Untracked, these are no loss: DVC makes them."""


@dataclass(frozen=True)
class Snapshot:
    """`commit` is HEAD, which the experiments stand on; `state` has the changes as well, and `tree` is its content."""

    commit: str
    state: str
    tree: str

    @property
    def is_changed(self) -> bool:
        """Whether it has more than the commit."""
        return self.state != self.commit


def take(settings: Path) -> Snapshot:
    """The project as it is now; the sweep's settings need not be tracked, since they are read once.

    Raises:
        UserError: this is no git repository with a commit, or an untracked file would not be carried.
    """
    try:
        top, commit = git.output("rev-parse", "--show-toplevel"), git.output("rev-parse", "HEAD")
    except UserError:
        raise UserError("a sweep stands on a git commit: run `git init`, `git add .` and `git commit`") from None
    if Path(top).resolve() != Path.cwd().resolve():
        raise UserError(f"run the sweep from the root of the git repository, {top}")
    listed = git.output("ls-files", "--others", "--exclude-standard", "-z", "--", *CARRIED, *MADE)
    untracked = [name for name in listed.split("\0") if name and Path(name) != settings]
    if untracked:
        raise UserError(
            f"git does not track {some_of(untracked, 5)}: trials would lack that; `git add` it, or move it elsewhere"
        )
    state = git.output("stash", "create", "sweep") or commit
    return Snapshot(commit, state, git.output("rev-parse", f"{state}^{{tree}}"))


def keep(study: str, snapshot: Snapshot) -> None:
    """Holds on to a study's snapshot in this repository."""
    git.output("update-ref", _reference(study), snapshot.state)


def is_kept(snapshot: Snapshot) -> bool:
    """Whether this repository has it."""
    try:
        git.output("cat-file", "-e", f"{snapshot.state}^{{commit}}")
    except UserError:
        return False
    return True


def read(snapshot: Snapshot, path: str) -> str:
    """A file's text as the snapshot has it."""
    return git.output("show", f"{snapshot.state}:{path}")


def _reference(study: str) -> str:
    return f"refs/apparel/sweeps/{study}"
