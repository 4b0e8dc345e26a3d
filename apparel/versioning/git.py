"""Git: running it, why it refuses a clone, commits and DVC experiments by name, and the files that a commit has."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

from apparel.errors import UserError

EXPERIMENTS = "refs/exps"
"""Where DVC keeps experiments: refs/exps/<first 2 digits of the baseline>/<the other 38>/<name>."""

SECONDS_TO_ANSWER = 60
"""Of git, on a slow network folder at the worst; a training does not wait longer to know its commit."""

MEND = "`git fsck` checks it; a new clone mends what is damaged"
"""Remedy of a repository that git cannot read."""


def run(*arguments: str, **options: Any) -> subprocess.CompletedProcess:
    """Runs git and captures what it prints, as bytes; `options` are those of `subprocess.run` and come first.

    A failure of git is no error here: the caller looks at `returncode`.

    Raises:
        UserError: git is not installed, or cannot be started.
    """
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    try:
        return subprocess.run(["git", *arguments], check=False, **options)
    except FileNotFoundError:
        raise UserError("git is not installed, or not on PATH; install it, see https://git-scm.com") from None
    except OSError as error:
        raise UserError(f"git cannot be started: {error.strerror}") from None


def refusal() -> str | None:
    """Why git reads nothing of this clone, with the remedy; None where it does, if only to say that no commit exists.

    Such as a clone of another user, in a mounted folder or a container, a damaged one, or a machine without git.
    """
    try:
        done = run("log", "-1", "--format=%H", env=os.environ | {"LC_ALL": "C"}, timeout=SECONDS_TO_ANSWER)
    except UserError as error:
        return str(error)
    except subprocess.TimeoutExpired:
        return f"git did not answer within {SECONDS_TO_ANSWER} seconds"
    said = _words(done)
    if not done.returncode or "does not have any commits yet" in said:
        return None
    if re.search("dubious ownership|unsafe repository", said):
        allow = re.search(r"git config --global --add safe\.directory .+", done.stderr.decode(errors="replace"))
        remedy = allow[0] if allow else "git config --global --add safe.directory '*'"
        return f"another user owns this clone, and git does not read it until you run `{remedy.strip()}`"
    if "not a git repository" in said and not Path(".git").exists():
        return "this folder is no git repository: `git clone` the project, or `git init`, `git add .` and `git commit`"
    return f"git cannot read this clone: {said}; {MEND}"


def output(*arguments: str, folder: Path = Path()) -> str:
    """What git prints in `folder`, without white space around it.

    Raises:
        UserError: git is not installed, or fails; its own words are the message.
    """
    done = run(*arguments, cwd=folder)
    if done.returncode:
        raise UserError(f"git {arguments[0]}: {_words(done)}")
    return done.stdout.decode(errors="replace").strip()


def _query(*arguments: str) -> bytes | None:
    """What git prints; None where it knows nothing of that name.

    Raises:
        UserError: git reads nothing of this clone, see `refusal`; without this, the name would seem unknown.
    """
    done = run(*arguments)
    if done.returncode and (why := refusal()):
        raise UserError(why)
    return None if done.returncode else done.stdout


def _listed(*arguments: str, **options: Any) -> bytes:
    """What git lists.

    Raises:
        UserError: git reads nothing of this clone, or this list of it cannot be read.
    """
    done = run(*arguments, **options)
    if done.returncode:
        raise UserError(refusal() or f"git {arguments[0]}: {_words(done)}; {MEND}")
    return done.stdout


def _words(done: subprocess.CompletedProcess) -> str:
    """What git said of its failure, on one line."""
    return " ".join(done.stderr.decode(errors="replace").split())


def commit(name: str) -> str | None:
    """The full hash of the commit that a name (hash, branch, tag, `HEAD~2`) stands for; None if there is none."""
    found = _query("rev-parse", "--quiet", "--verify", "--end-of-options", f"{name}^{{commit}}")
    return None if found is None else found.decode().strip()


def root_commit(purpose: str) -> str:
    """The full hash of HEAD, where the current folder is the root of the work tree.

    Args:
        purpose: what needs both, such as `a sweep`, for the message.

    Raises:
        UserError: there is no commit, git does not read this clone, or its root is another folder.
    """
    try:
        top, head = output("rev-parse", "--show-toplevel"), output("rev-parse", "HEAD")
    except UserError:
        remedy = f"{purpose} needs a git commit: run `git init`, `git add .` and `git commit`"
        raise UserError(refusal() or remedy) from None
    if Path(top).resolve() != Path.cwd().resolve():
        raise UserError(f"{purpose} starts from the root of the git repository: `cd {top}`")
    return head


def experiments() -> dict[str, list[str]]:
    """The commits by the name of the DVC experiment; several if experiments of one name have different baselines."""
    commits: dict[str, list[str]] = {}
    for line in _listed("for-each-ref", "--format=%(objectname) %(refname)", EXPERIMENTS).decode().splitlines():
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
    return _listed("log", "--all", "--format=%H", f"-S{text}", "--", *files).decode().split()


def read_file(revision: str, path: str) -> bytes | None:
    """The content of a file in a commit; None if it has no such file."""
    return _query("cat-file", "blob", f"{revision}:{path}")


def tracked_files() -> list[str]:
    """The files that git tracks, by their paths from the root of the work tree."""
    listed = _listed("ls-files", "-z", "--cached")
    return [os.fsdecode(name) for name in listed.split(b"\0") if name]


def export_commit(revision: str, folder: Path, patch: bytes = b"") -> None:
    """Writes the files of a commit, with a patch applied, to `folder / "tree"`; the repository stays unchanged.

    Raises:
        UserError: git cannot read the whole commit, or the patch does not fit it.
    """
    objects = Path(_listed("rev-parse", "--git-path", "objects").decode().strip()).absolute()
    tree, new_objects = folder / "tree", folder / "objects"
    new_objects.mkdir(parents=True)
    tree.mkdir()
    environment = os.environ | {
        "GIT_INDEX_FILE": str((folder / "index").absolute()),
        "GIT_OBJECT_DIRECTORY": str(new_objects.absolute()),
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(objects),
    }
    _listed("read-tree", revision, env=environment)
    if patch and run("apply", "--cached", "--whitespace=nowarn", "-", input=patch, env=environment).returncode:
        raise UserError(f"the recorded changes.patch does not fit commit {revision[:7]}")
    _listed("checkout-index", "--all", f"--prefix={tree.absolute().as_posix()}/", env=environment)
