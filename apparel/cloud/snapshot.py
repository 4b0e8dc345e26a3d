"""Snapshot of the project for a job elsewhere: a pack of git objects with the commit, changes and new files.

Neither the index, the working tree nor the objects of this clone are touched. The pack has the files of the commit and
none of its history, so it is small, and it can be made of a shallow clone, of which `git bundle` makes nothing usable.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from apparel.errors import UserError, plain, some_of
from apparel.utils import addresses
from apparel.versioning import git

CARRIED = (
    "apparel", "stages", "configs", "data", "dvc.yaml", "dvc.lock", "params.yaml", "pyproject.toml",
    ".dvc/config", ".dvcignore", ".gitignore",
)  # fmt: skip
"""Paths whose new files a job may need. Others stay here: notes, and files with passwords."""

GENERATED = ("data/results", "dvc.lock")
"""Folder and file name of what stages write: a difference there is no edit of the project."""

MAX_FILE_BYTES = 50_000_000
"""Bytes of a changed or new file; larger ones are data, which DVC keeps."""

MAX_BYTES = 1_000_000_000
"""Bytes of the pack; GitHub asks that whole repositories, history included, stay below."""

SECRETS = (
    r"-----BEGIN [A-Z ]*PRIVATE KEY", r"\b(AKIA|ASIA)[0-9A-Z]{16}\b", r'"refresh_token"[ ]*:[ ]*"',
    r"(SECRET_ACCESS_KEY|secret_access_key|SecretAccessKey)[\"' ]*[:=][\"' ]*[0-9A-Za-z/+]{40}",
    r"\bAIza[0-9A-Za-z_-]{35}", r"\bya29\.[0-9A-Za-z_-]{20}", r"\bgh[pousr]_[0-9A-Za-z]{36}", r"\bhf_[0-9A-Za-z]{34}",
)  # fmt: skip
"""Patterns (POSIX, extended) of keys: of service accounts, SSH and TLS; of AWS; of a user, a project and a session of
Google Cloud; of GitHub and Hugging Face."""

PASSWORDS = (
    r"[a-z][a-z0-9+.-]*://[^][/@:<>{}\"' ]*:[^][/@<>{}\"' ]+@",
    r"^[ ]*(export |- )?[\"']?[A-Za-z_.-]*([Pp]assword|PASSWORD|[Pp]asswd|PASSWD)[\"']?[ ]*[:=][ ]*[\"']?[^\"' ${<#]",
)
"""Patterns of passwords: in an address, and as the value of a setting; `${NAME}` and nothing are none."""

SETTINGS = ("params.yaml", "dvc.yaml", "configs", "data", ".dvc")
"""Where these would be real ones; code and documentation have examples."""

_SECRET_OPTION = re.compile(
    r"^[ \t]*(password|passphrase|[\w-]*secret[\w-]*|[\w-]*token|account_key|connection_string|key_password)[ \t]*=",
    re.I | re.M,
)
"""Options of a DVC remote that hold a password."""

NOBODY = {
    f"GIT_{role}_{key}": value
    for role in ("AUTHOR", "COMMITTER")
    for key, value in (("NAME", "apparel"), ("EMAIL", "apparel@localhost"), ("DATE", "2000-01-01T00:00:00Z"))
}
"""Author of the commit with the changes; fixed, so that the same files make the same commit."""


@dataclass(frozen=True)
class Snapshot:
    """A state of the project.

    Attributes:
        commit: HEAD.
        state: the commit with changes and new files as well; equal to `commit` if there are none.
        tree: git's hash of the files of `state`.
        objects: folder with the objects that this clone lacks.
    """

    commit: str
    state: str
    tree: str
    objects: Path

    def pack(self, file: Path) -> None:
        """Writes the pack.

        Raises:
            UserError: it is too large, or git cannot read an object.
        """
        listed = ("rev-list", "--objects", "--no-object-names", "--no-walk", self.commit, self.state)
        names = _git(*listed, objects=self.objects)
        with file.open("wb") as pack:
            _git("pack-objects", "--stdout", "--quiet", objects=self.objects, input=names, stdout=pack)
        if file.stat().st_size > MAX_BYTES:
            raise UserError(f"the project's files take more than {MAX_BYTES:,} bytes; `dvc add` keeps large ones apart")

    def changes(self) -> list[str]:
        """The files that differ from the commit, new ones included."""
        return differing_files(self.commit, self.state, self.objects)

    def generated(self) -> dict[str, str]:
        """Mode and hash of the files that stages wrote and git has, or would have, by path."""
        return generated_files(self.state, self.objects)


@contextmanager
def taken() -> Iterator[Snapshot]:
    """A snapshot of the current folder, which exists until the end of the block.

    Raises:
        UserError: this is not the root of a git repository with a commit, a merge is under way, a changed file is too
            large, or a file holds a key or password.
    """
    commit = git.root_commit("a job")
    if unmerged := git.output("ls-files", "--unmerged"):
        raise UserError(f"a merge has conflicts in {unmerged.splitlines()[0].split(chr(9))[-1]}; resolve them first")
    _check_sizes()
    with TemporaryDirectory(prefix="apparel-snapshot-") as name:
        objects, index = Path(name) / "objects", Path(name) / "index"
        objects.mkdir()
        own = Path(git.output("rev-parse", "--git-path", "index"))
        if own.exists():
            shutil.copy2(own, index)
        options = {"objects": objects, "index": index}
        _git("add", "--update", "--", ":/", **options)
        if new := _new_files():
            listed = ("--pathspec-from-file=-", "--pathspec-file-nul")
            _git("--literal-pathspecs", "add", *listed, input=b"\0".join(new), **options)
        tree = _git("write-tree", **options).decode().strip()
        state = commit
        if tree != git.output("rev-parse", f"{commit}^{{tree}}"):
            message = ("commit-tree", tree, "-p", commit, "-m", "uncommitted changes")
            state = _git(*message, **options, variables=NOBODY).decode().strip()
        _check_secrets(tree, objects)
        yield Snapshot(commit, state, tree, objects)


def differing_files(before: str, after: str, objects: Path | None = None) -> list[str]:
    """Files that differ between two commits, but for those that stages write."""
    named = _git("diff-tree", "-r", "-z", "--name-only", "--no-renames", before, after, objects=objects).split(b"\0")
    names = [os.fsdecode(name) for name in named if name]
    return [name for name in names if not is_generated(name)]


def generated_files(revision: str, objects: Path | None = None) -> dict[str, str]:
    """Mode and hash of the files of a commit that stages write, by path."""
    listed = _git("ls-tree", "-r", "-z", revision, objects=objects).split(b"\0")
    entries = (os.fsdecode(line).partition("\t") for line in listed if line)
    return {name: described for described, _, name in entries if is_generated(name)}


def entry(revision: str, name: str, objects: Path | None = None) -> bytes:
    """Mode and hash of a file in a commit; empty where it has none of this name."""
    return _git("--literal-pathspecs", "ls-tree", "-z", revision, "--", name, objects=objects)


def is_generated(name: str) -> bool:
    """Whether stages write a file, by its path."""
    folder, lock = GENERATED
    return name.startswith(f"{folder}/") or name.rpartition("/")[2] == lock


def _new_files() -> list[bytes]:
    listed = _git("ls-files", "--others", "--exclude-standard", "-z", "--", *CARRIED)
    names = [name for name in listed.split(b"\0") if name]
    for name in map(os.fsdecode, names):
        if name.endswith("/"):
            raise UserError(
                f"{plain(name)} is a git repository of its own; move it elsewhere, or name it in .gitignore"
            )
    return names


def _check_sizes() -> None:
    changed = _git("ls-files", "--modified", "-z").split(b"\0")
    for name in map(os.fsdecode, filter(None, {*changed, *_new_files()})):
        path = Path(name)
        if path.is_file() and not path.is_symlink() and path.stat().st_size > MAX_FILE_BYTES:
            remedy = "`dvc add` it, or name it in .gitignore"
            raise UserError(
                f"{plain(name)} has more than {MAX_FILE_BYTES:,} bytes and git does not ignore it; {remedy}"
            )


def _check_secrets(tree: str, objects: Path) -> None:
    """Raises a `UserError` where a file holds what looks like a key, or DVC's settings a password."""
    if names := _matching(SECRETS, tree, objects):
        raise UserError(
            f"{some_of(names, 3)} seems to hold a private key, which must not leave this machine; "
            "keep it outside of the project, or name it in .gitignore"
        )
    config = _git("cat-file", "blob", f"{tree}:.dvc/config", objects=objects, failing=(128,)).decode(errors="replace")
    if _SECRET_OPTION.search(config) or addresses.without_password(config) != config:
        raise UserError(
            ".dvc/config holds a password, and is in git; "
            "`dvc remote modify --local` keeps it in .dvc/config.local, which stays on this machine"
        )
    if names := _matching(PASSWORDS, tree, objects, *SETTINGS):
        raise UserError(
            f"{some_of(names, 3)} seems to hold a password, which must not leave this machine; "
            "keep it outside of the project, or name it in .gitignore"
        )


def _matching(patterns: Sequence[str], tree: str, objects: Path, *below: str) -> list[str]:
    """Text files of a tree, or of these folders of it, with a line that matches a pattern."""
    options = [part for pattern in patterns for part in ("-e", pattern)]
    arguments = ("grep", "--name-only", "--full-name", "-I", "-z", "-E", *options, tree, "--", *below)
    found = _git(*arguments, objects=objects, failing=(1,))
    return [plain(os.fsdecode(name).partition(":")[2]) for name in found.split(b"\0") if name]


def _git(
    *arguments: str,
    objects: Path | None = None,
    index: Path | None = None,
    variables: dict[str, str] | None = None,
    failing: tuple[int, ...] = (),
    **options: object,
) -> bytes:
    """What git prints; with `objects`, new objects go there, with `index`, that is git's index.

    Raises:
        UserError: git fails with another status than those in `failing`.
    """
    environment = os.environ | (variables or {})
    if objects:
        own = Path(git.output("rev-parse", "--git-path", "objects")).absolute()
        environment |= {"GIT_OBJECT_DIRECTORY": str(objects), "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(own)}
    if index:
        environment["GIT_INDEX_FILE"] = str(index)
    done: subprocess.CompletedProcess[bytes] = git.run(*arguments, env=environment, **options)
    if done.returncode and done.returncode not in failing:
        said = " ".join(done.stderr.decode(errors="replace").split())[:300]
        raise UserError(f"git {arguments[0]}: {said}; {git.MEND}")
    return done.stdout or b""
