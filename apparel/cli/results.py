"""`apparel results`: the per-class table of the last eval."""

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's help; it has no options."""
    parser.epilog = "example: `apparel results`, after `dvc repro` or `dvc pull`; nothing is run"


def main(arguments: argparse.Namespace) -> None:
    """Prints the table.

    Raises:
        UserError: eval has not run, or its table is damaged.
    """
    from apparel import paths
    from apparel.analysis import run_results
    from apparel.errors import UserError
    from apparel.sweeps.workspace import UNEVALUATED

    if paths.PER_CLASS.is_file() and paths.PER_CLASS.read_bytes() == UNEVALUATED.encode():
        raise UserError(f"this is a sweep's trial, {UNEVALUATED.strip()}")
    print(run_results.text(None))
