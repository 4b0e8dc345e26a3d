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
    from apparel.errors import UserError
    from apparel.evaluation import report
    from apparel.sweeps.workspace import UNEVALUATED

    if report.PER_CLASS.is_file() and report.PER_CLASS.read_bytes() == UNEVALUATED.encode():
        raise UserError(f"this is a sweep's trial, {UNEVALUATED.strip()}")
    print(report.text(report.read_table()))
    print(report.where_next())
