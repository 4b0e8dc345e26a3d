"""`python -m apparel results`: what the last eval measured, once more."""

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Takes none."""
    parser.epilog = "example: `python -m apparel results`, after `dvc repro` or `dvc pull`; nothing is run"


def main(arguments: argparse.Namespace) -> None:
    """Prints the table.

    Raises:
        UserError: nothing is measured yet, or the table is damaged.
    """
    from apparel import paths
    from apparel.errors import UserError
    from apparel.evaluation import report
    from apparel.sweeps.workspace import UNEVALUATED

    if paths.PER_CLASS.is_file() and paths.PER_CLASS.read_bytes() == UNEVALUATED.encode():
        raise UserError(f"this is a sweep's trial, {UNEVALUATED.strip()}")
    print(report.terminal_text(report.read_per_class()))
    print(report.next_steps())
