"""Puts git's HEAD back on its branch where a killed `dvc exp run` left it detached.

`dvc exp run` works on a detached HEAD, and returns to the branch at its end. Killed, it never does, and what a person
commits afterwards is on no branch. Ours, since DVC does not mend this at its next start; it may go once DVC does.
"""

import json
import re
from contextlib import suppress
from pathlib import Path

import psutil

from apparel.versioning import git

EXEC_HEAD = "refs/exps/exec/EXEC_HEAD"
EXEC_BASELINE = "refs/exps/exec/EXEC_BASELINE"
"""The commit that an experiment starts from, while it runs; DVC removes it at the end."""

COMMIT = "dvc: commit experiment"
"""What DVC calls the commit of an experiment, without `--message`; its ref is made a moment later."""

UNDER_WAY = ("rebase-merge", "rebase-apply", "MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "BISECT_LOG")
"""Files that git keeps while a rebase, merge and so on is under way."""

RUN = Path(".dvc/tmp/exps/run/workspace/workspace.json")
"""Where DVC notes the process that runs an experiment in this folder."""


def restore() -> str | None:
    """Puts HEAD back on the branch that DVC left, unless an experiment is at work, or the branch or HEAD moved since.

    HEAD stays where a person has committed on it, or rebases or merges: those commits would be on no branch then. Files
    stay as they are; the index becomes that of the branch, as DVC leaves it.

    Returns:
        The branch; None where nothing was to be mended.

    Raises:
        UserError: git does not read this clone, or refuses.
    """
    start = git.commit(EXEC_HEAD) if git.commit(EXEC_BASELINE) else None
    if not start or _is_at_work() or not git.run("symbolic-ref", "--quiet", "HEAD").returncode:
        return None
    move = None if _is_under_way() else _last_move()
    if not move or move[2] != start or git.commit(f"refs/heads/{move[1]}") != start:
        return None
    git.output("symbolic-ref", "-m", f"apparel: restore HEAD to '{move[1]}'", "HEAD", f"refs/heads/{move[1]}")
    git.output("reset", "--quiet")
    git.output("update-ref", "-d", EXEC_BASELINE)
    return move[1]


def _last_move() -> re.Match[str] | None:
    """The branch and the commit that HEAD went from and to, as the reflog has it; None where it moved otherwise since.

    DVC itself commits the experiment on HEAD just before it puts HEAD back.
    """
    entries = git.run("reflog", "show", "--max-count=2", "--format=%gs", "HEAD").stdout.decode(errors="replace")
    lines = entries.splitlines()
    is_experiment = git.run("for-each-ref", "--points-at=HEAD", git.EXPERIMENTS).stdout
    if lines and lines[0].startswith("commit: ") and (is_experiment or COMMIT in lines[0]):
        del lines[0]
    return re.match(r"checkout: moving from (\S+) to (\S+)$", lines[0]) if lines else None


def _is_under_way() -> bool:
    """Whether a person has begun something of git that goes on from HEAD."""
    paths = git.output("rev-parse", *(word for name in UNDER_WAY for word in ("--git-path", name)))
    return any(Path(path).exists() for path in paths.splitlines())


def _is_at_work() -> bool:
    with suppress(OSError, ValueError, KeyError, psutil.NoSuchProcess):
        process = psutil.Process(json.loads(RUN.read_bytes())["pid"])
        with suppress(psutil.AccessDenied):  # another user's
            return process.status() != psutil.STATUS_ZOMBIE
        return True
    return False
