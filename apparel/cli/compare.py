"""`python -m apparel compare`: results side by side, and which differences are real."""

import argparse
from pathlib import Path

from apparel.errors import UserError
from apparel.tracking.server import clean_name

EXAMPLES = """examples:
  python -m apparel compare main workspace            the last commit's results and those of now
  python -m apparel compare six larger --html c.html  two experiments; the page goes there
  python -m apparel compare 0123456789abcdef0123456789abcdef workspace     an MLflow run, by its id

A and B are commits, branches, experiments, MLflow runs (id or name) or `workspace`. All are compared with the first, on
the test photos that they share. Their results come from DVC's cache, or from MLflow; nothing is run. The page is one
file and needs no network; it is put beside the files of the runs in MLflow, too."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what to compare and where the page goes."""
    parser.epilog = EXAMPLES
    parser.add_argument("first", metavar="A", help="what the others are compared with")
    parser.add_argument("others", metavar="B", nargs="+", help="one or more others")
    parser.add_argument("--html", metavar="PATH", type=Path, help="where the page goes (default: .apparel/compare)")


def main(arguments: argparse.Namespace) -> None:
    """Prints the tables, writes the page and sends it to MLflow.

    Raises:
        UserError: a side has no results, or they share no photos.
    """
    from functools import cache

    from apparel import paths
    from apparel.analysis import compare, compare_page, result_sets
    from apparel.utils import files

    @cache
    def runs():
        from apparel.tracking.reader import Reader

        return Reader()

    compared = compare.compare([result_sets.load(what, runs) for what in (arguments.first, *arguments.others)])
    print(compare_page.terminal_text(compared))
    name = clean_name("-and-".join(compared.names).replace("/", "_") + ".html")
    page = arguments.html or paths.LOCAL / "compare" / name
    files.write_text(page, compare_page.render_page(compared))
    print(f"pictures and more: {page}")
    try:
        for run in dict.fromkeys(filter(None, (result_sets.run_of(side, runs()) for side in compared.sides))):
            runs().attach(run, page, "compare")
            print(f"added to MLflow's run {run}: compare/{page.name}")
    except UserError as error:
        print(f"warning: the page is not in MLflow: {error}")
