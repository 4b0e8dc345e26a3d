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

RUN = Path(".dvc/tmp/exps/run/workspace/workspace.json")
"""Where DVC notes the process that runs an experiment in this folder."""


def restore() -> str | None:
    """Puts HEAD back on the branch that DVC left, unless an experiment is at work, or the branch has moved meanwhile.

    Files stay as they are; the index becomes that of the branch, as DVC leaves it.

    Returns:
        The branch; None where nothing was to be mended.

    Raises:
        UserError: git does not read this clone, or refuses.
    """
    start = git.commit(EXEC_HEAD) if git.commit(EXEC_BASELINE) else None
    if not start or _is_at_work() or not git.run("symbolic-ref", "--quiet", "HEAD").returncode:
        return None
    moves = git.run("reflog", "show", "--format=%gs", "HEAD").stdout.decode(errors="replace").splitlines()
    move = next((found for line in moves if (found := re.match(r"checkout: moving from (\S+) to (\S+)$", line))), None)
    if not move or move[2] != start or git.commit(f"refs/heads/{move[1]}") != start:
        return None
    git.output("symbolic-ref", "-m", f"apparel: restore HEAD to '{move[1]}'", "HEAD", f"refs/heads/{move[1]}")
    git.output("reset", "--quiet")
    git.output("update-ref", "-d", EXEC_BASELINE)
    return move[1]


def _is_at_work() -> bool:
    with suppress(OSError, ValueError, KeyError, psutil.Error):
        process = psutil.Process(json.loads(RUN.read_bytes())["pid"])
        return process.status() != psutil.STATUS_ZOMBIE
    return False
