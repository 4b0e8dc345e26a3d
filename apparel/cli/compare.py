"""`apparel compare`: per-class differences between results, with intervals, and what was changed."""

import argparse
from pathlib import Path

from apparel.errors import UserError

EXAMPLES = """examples:
  apparel compare main workspace            results of the last commit and of the workspace
  apparel compare six larger --html c.html  two experiments; writes the page to c.html
  apparel compare 0123456789abcdef0123456789abcdef workspace     an MLflow run, by its id

A and B are commits, branches, experiments, MLflow runs (id or name) or `workspace`. All are compared with the first, on
the test photos that they share. Their results come from DVC's cache, or from MLflow; nothing is run. The page is one
file and needs no network; it is added to the files of the runs in MLflow, too."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what to compare and where the page goes."""
    parser.epilog = EXAMPLES
    parser.add_argument("first", metavar="A", help="what the others are compared with")
    parser.add_argument("others", metavar="B", nargs="+", help="one or more others")
    parser.add_argument("--html", metavar="PATH", type=Path, help="path of the page (default: in .apparel/compare)")


def main(arguments: argparse.Namespace) -> None:
    """Prints the tables, writes the page and adds it to runs in MLflow.

    Raises:
        UserError: one of them has no results, or they share no photos.
    """
    from functools import cache

    from apparel import paths
    from apparel.analysis import compare, compare_page, result_sets
    from apparel.tracking.server import clean_name
    from apparel.utils import files

    @cache
    def reader():
        from apparel.tracking.reader import Reader

        return Reader()

    compared = compare.compare([result_sets.load(name, reader) for name in (arguments.first, *arguments.others)])
    print(compare_page.terminal_text(compared))
    name = clean_name("-and-".join(compared.names).replace("/", "_") + ".html")
    page = arguments.html or paths.LOCAL / "compare" / name
    files.write_text(page, compare_page.render_page(compared))
    print(f"pictures and more: {page}")
    try:
        runs = (result_sets.find_run(results, reader()) for results in compared.results)
        for run in dict.fromkeys(filter(None, runs)):
            reader().attach(run, page, "compare")
            print(f"added to MLflow's run {run}: compare/{page.name}")
    except UserError as error:
        print(f"warning: the page is not in MLflow: {error}")
