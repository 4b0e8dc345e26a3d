"""`apparel crossval`: cross-validation of params.yaml or of a recipe; after a kill the same command continues."""

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from apparel.analysis.crossval_results import CrossValidation

EXAMPLES = """examples:
  apparel crossval --dry-run                   how many trainings, how many are finished, about how long
  apparel crossval                             five folds of the photos that are not test, one seed
  apparel crossval six --seeds 3 --name six    a recipe of configs/experiments, 15 trainings
  apparel crossval six -S train.mosaic=0 --name no-mosaic
  apparel compare six no-mosaic                both, paired by photo
  apparel crossval --fuse six no-mosaic        both as an ensemble, by the detections that are there: trains nothing
  apparel crossval --all                       divides the photos of test, too: for data without a published split

Each photo is judged by a training that did not see it; near duplicates are in one fold. The photos of test are never
looked at. Ctrl-C stops it; the same command continues. Results lie in .apparel/crossval/NAME and in MLflow."""


FOLDS, SEEDS = 5, 1
"""What is run where --folds and --seeds are not given; with --fuse they are what was trained, and cannot be given."""

OF_TRAININGS = {
    "recipe": "a recipe",
    "folds": "--folds",
    "seeds": "--seeds",
    "set_param": "-S",
    "all": "--all",
    "dry_run": "--dry-run",
}
"""Arguments that say what is trained, and what a message calls them."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    from apparel.cli.arguments import add_set_param, positive_int

    parser.epilog = EXAMPLES
    parser.add_argument("recipe", nargs="?", help="a file configs/experiments/RECIPE.yaml (default: params.yaml)")
    folds_help = f"number of folds (default {FOLDS})"
    seeds_help = f"so many values of train.seed (default {SEEDS})"
    parser.add_argument("--folds", type=positive_int, metavar="N", help=folds_help)
    parser.add_argument("--seeds", type=positive_int, metavar="K", help=seeds_help)
    add_set_param(parser)
    parser.add_argument("--all", action="store_true", help="take the photos of test into the folds, too")
    fuse_help = "finished cross-validations, fused into an ensemble whose members count alike; nothing is trained"
    parser.add_argument("--fuse", nargs="+", metavar="CV", help=fuse_help)
    parser.add_argument("-n", "--name", help="its name, and that of its experiments (default: made of its parameters)")
    parser.add_argument("--dry-run", action="store_true", help="only show what would be run")


def main(arguments: argparse.Namespace) -> None:
    """Shows the plan, runs it, and prints the results.

    Raises:
        UserError: a value is refused, a training fails, or it was interrupted.
    """
    from apparel.analysis import crossval_fusion
    from apparel.errors import UserError
    from apparel.sweeps import crossval, crossval_plan
    from apparel.utils import processes

    if arguments.fuse:
        if given := [name for key, name in OF_TRAININGS.items() if getattr(arguments, key)]:
            raise UserError(
                f"--fuse takes finished cross-validations as they are, and trains nothing: leave out {', '.join(given)}"
            )
        _show(crossval_fusion.run(arguments.fuse, arguments.name))
        return
    plan = crossval_plan.make_plan(
        arguments.recipe,
        arguments.set_param,
        arguments.folds or FOLDS,
        arguments.seeds or SEEDS,
        arguments.all,
        arguments.name,
    )
    print(plan.text(), flush=True)
    if arguments.dry_run:
        return
    processes.interrupt_on_termination()
    try:
        result = crossval.run(plan)
    except KeyboardInterrupt:
        raise UserError("stopped; run the same command again to continue") from None
    _show(result)


def _show(result: "CrossValidation") -> None:
    from apparel.analysis import crossval_results

    print(crossval_results.terminal_text(result))
    print(f"tables: {crossval_results.folder(result.name).as_posix()}; compare: apparel compare {result.name} OTHER")
