"""`apparel experiments`: the results of all commits and experiments on test in one table."""

import argparse
import shutil
import sys

EXAMPLES = """examples:
  apparel experiments                   newest first
  apparel experiments --best -n 5       the five with the highest mAP50
  apparel compare workspace NAME        which class got better, and whether that is more than chance

Intervals that overlap are no verdict: `apparel compare` tests the difference on the same photos.
`dvc exp apply NAME` brings an experiment back, in place of edits that are not committed; `git checkout HASH` and
`dvc checkout` bring back a commit. `dvc exp show` has all metrics and parameters."""

UNLIMITED = 10_000
"""Width of a line where the output is no terminal, in characters."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    parser.epilog = EXAMPLES
    parser.add_argument("--best", action="store_true", help="highest mAP50 first (default: newest first)")
    parser.add_argument("-n", type=int, metavar="N", help="only the first N")


def main(arguments: argparse.Namespace) -> None:
    """Prints the table.

    Raises:
        UserError: git is not installed, or there is no result.
    """
    from apparel.analysis import experiments
    from apparel.errors import UserError

    found = experiments.find_results()
    results = [result for result in found if result.split == "test"]
    of_folds = len(found) - len(results)
    if not results:
        remedy = "`apparel run` makes some" + (f". {experiments.of_folds_text(of_folds)}" if of_folds else "")
        raise UserError(f"no commit, no experiment and not the workspace has results on test yet; {remedy}")
    if arguments.best:
        results = sorted(results, key=lambda result: 1 if result.mAP50 != result.mAP50 else -result.mAP50)
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else UNLIMITED
    print(experiments.terminal_text(results[: arguments.n], experiments.parameters_here(), width))
    if of_folds:
        print(experiments.of_folds_text(of_folds), file=sys.stderr)
