"""`apparel plots`: DVC's plots on a page that opens without a network."""

import argparse
import subprocess
import sys

from apparel import paths
from apparel.analysis import vega
from apparel.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the revisions to draw."""
    parser.add_argument("revision", nargs="*", help="commits, branches or experiments to compare with the workspace")
    parser.epilog = "example: `apparel plots`, or `apparel plots main` to compare with a branch"


def main(arguments: argparse.Namespace) -> None:
    """Runs `dvc plots`.

    Raises:
        UserError: there are no curves yet, or DVC failed; it has printed why.
    """
    if not arguments.revision and not any(file.exists() for file in (paths.HISTORY, paths.PR_CURVE)):
        raise UserError("there are no curves yet: `dvc repro` makes them, `dvc pull` brings them from a remote")
    vega.ensure()
    command = ["diff", *arguments.revision, "workspace"] if arguments.revision else ["show"]
    if subprocess.run([sys.executable, "-m", "dvc", "plots", *command], check=False).returncode:
        raise UserError("DVC could not draw the plots; see above")
