"""`apparel compare`: differences between results by class, with intervals; with --speed, speed against accuracy."""

import argparse
from pathlib import Path

from apparel.errors import UserError

EXAMPLES = """examples:
  apparel compare main workspace            results of the last commit and of the workspace
  apparel compare six larger --html c.html  two experiments; writes the page to c.html
  apparel compare 0123456789abcdef0123456789abcdef workspace     an MLflow run, by its id
  apparel compare --speed                   all models with exports: which is fast, which is accurate?
  apparel compare --speed six larger --threads 1                 two experiments, on one processor core

A and B are commits, branches, experiments, MLflow runs (id or name), ensembles that `apparel ensemble eval` measured,
or `workspace`; or all are cross-validations. All are compared with the first, on the test photos that they share.
Their results come from DVC's cache, or from MLflow; nothing is run. The page is one file and needs no network; it is
added to the files of the runs in MLflow, too.

With --speed, trained models and their exports (export.formats in params.yaml) are timed on this machine, in turn, each
in a process of its own. A page and a CSV file are written beside the table. MLflow runs cannot be named then."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what to compare and where the page goes."""
    from apparel.cli.arguments import path_or_address, positive_int

    parser.epilog = EXAMPLES
    parser.add_argument("names", metavar="A B", nargs="*", help="results to compare: the first with each of the others")
    parser.add_argument(
        "--html", metavar="PATH", type=path_or_address, help="path or gs://… of the page (default: in .apparel/compare)"
    )
    parser.add_argument("--speed", action="store_true", help="speed against accuracy (default: all with exports)")
    parser.add_argument("--recorded", action="store_true", help="with --speed: as recorded when they were exported")
    parser.add_argument(
        "--threads", metavar="N", type=positive_int, help="with --speed: processor cores (default: all)"
    )


def main(arguments: argparse.Namespace) -> None:
    """Prints the tables and writes the page.

    Raises:
        UserError: one of them has no results, or they share no photos; or the arguments do not go together.
    """
    from functools import cache

    @cache
    def reader():
        from apparel.tracking.reader import Reader

        return Reader()

    if arguments.speed:
        _compare_speed(arguments, reader)
        return
    if arguments.recorded or arguments.threads:
        raise UserError("--recorded and --threads are for --speed")
    if len(arguments.names) < 2:
        raise UserError("name at least two to compare, such as `apparel compare main workspace`; -h shows examples")
    _compare_results(arguments, reader)


def _compare_results(arguments: argparse.Namespace, reader) -> None:
    """Prints the tables, writes the page and adds it to runs in MLflow."""
    from apparel.analysis import compare, compare_page, ensemble_eval, result_sets

    compared = compare.compare(ensemble_eval.find_results(arguments.names, reader))
    print(compare_page.terminal_text(compared))
    page = compare_page.write(compared, arguments.html if isinstance(arguments.html, Path) else None)
    print(f"pictures and more: {_uploaded(page, arguments.html)}")
    try:
        runs = (result_sets.find_run(results, reader()) for results in compared.results)
        for run in dict.fromkeys(filter(None, runs)):
            reader().attach(run, page, "compare")
            print(f"added to MLflow's run {run}: compare/{page.name}")
    except UserError as error:
        print(f"warning: the page is not in MLflow: {error}")


def _compare_speed(arguments: argparse.Namespace, reader) -> None:
    """Prints speed and accuracy of the models and their exports, and writes the page and a CSV file."""
    from apparel.analysis import exported_models, speed_accuracy, speed_page

    with exported_models.load_models(arguments.names) as (models, notes):
        if arguments.recorded:
            choices, left_out = speed_accuracy.recorded(models, reader, arguments.threads)
        else:
            choices, left_out = speed_accuracy.measure(models, speed_accuracy.photos(), arguments.threads)
    notes = [*notes, *left_out, *speed_accuracy.notes(choices)]
    table = speed_accuracy.table(choices)
    print(speed_page.terminal_text(table, notes))
    target = arguments.html
    page = speed_page.write(table, notes, target if isinstance(target, Path) else None, arguments.names)
    numbers = f"{target.removesuffix('.html')}.csv" if isinstance(target, str) else target
    shown = _uploaded(page, target), _uploaded(page.with_suffix(".csv"), numbers)
    print("picture: {}, numbers: {}".format(*shown))


def _uploaded(file: Path, target: Path | str | None) -> Path | str:
    """Where a file is in the end: at the address that was asked for, or here."""
    if not isinstance(target, str):
        return file
    from apparel.utils import buckets

    buckets.upload(file, target)
    return target
