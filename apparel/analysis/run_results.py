"""Results of a finished run for the terminal: average precision per class, and where to look next."""

import shutil
import tempfile
from pathlib import Path

from apparel import paths
from apparel.errors import UserError
from apparel.evaluation import report
from apparel.versioning import git


def text(experiment: str | None) -> str:
    """The table of the workspace, or that of an experiment that ran in a copy of the project.

    Raises:
        UserError: there is no such table.
    """
    if experiment is None:
        return "\n".join([report.terminal_text(report.read_per_class()), report.read_verdict(), report.next_steps()])
    with tempfile.TemporaryDirectory() as folder:
        table = report.read_per_class(_fetch(experiment, Path(folder)))
    return (
        f"{report.terminal_text(table)}\n"
        f"the experiment '{experiment}' has these results; your files are as they were\n"
        f"in place of your files (commit your edits first), with pictures and curves: dvc exp apply {experiment}\n"
        f"beside the results here: apparel compare workspace {experiment}\n"
        f"{report.RUNS_SIDE_BY_SIDE}"
    )


def _fetch(experiment: str, folder: Path) -> Path:
    """The experiment's table per class, copied from DVC's cache."""
    from dvc.api import DVCFileSystem
    from dvc.exceptions import DvcException

    copy = folder / paths.PER_CLASS.name
    try:
        files = DVCFileSystem(rev=git.resolve(experiment))
        with files.open(paths.PER_CLASS.as_posix(), "rb") as source, copy.open("wb") as target:
            shutil.copyfileobj(source, target)
    except (OSError, LookupError, DvcException) as error:
        raise UserError(f"the results of the experiment '{experiment}' cannot be read: {error}") from None
    return copy
