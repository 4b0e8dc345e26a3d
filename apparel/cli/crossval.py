"""`apparel crossval`: cross-validation of params.yaml or of a recipe; after a kill the same command continues."""

import argparse

EXAMPLES = """examples:
  apparel crossval --dry-run                   how many trainings, how many are finished, about how long
  apparel crossval                             five folds of the photos that are not test, one seed
  apparel crossval six --seeds 3 --name six    a recipe of configs/experiments, 15 trainings
  apparel crossval six -S train.mosaic=0 --name no-mosaic
  apparel compare six no-mosaic                both, paired by photo
  apparel crossval --all                       divides the photos of test, too: for data without a published split

Each photo is judged by a training that did not see it; near duplicates are in one fold. The photos of test are never
looked at. Ctrl-C stops it; the same command continues. Results lie in .apparel/crossval/NAME and in MLflow."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    from apparel.cli.arguments import add_set_param, positive_int

    parser.epilog = EXAMPLES
    parser.add_argument("recipe", nargs="?", help="a file configs/experiments/RECIPE.yaml (default: params.yaml)")
    parser.add_argument("--folds", type=positive_int, default=5, metavar="N", help="number of folds (default 5)")
    parser.add_argument(
        "--seeds", type=positive_int, default=1, metavar="K", help="so many values of train.seed (default 1)"
    )
    add_set_param(parser)
    parser.add_argument("--all", action="store_true", help="take the photos of test into the folds, too")
    parser.add_argument("-n", "--name", help="its name, and that of its experiments (default: made of its parameters)")
    parser.add_argument("--dry-run", action="store_true", help="only show what would be run")


def main(arguments: argparse.Namespace) -> None:
    """Shows the plan, runs it, and prints the results.

    Raises:
        UserError: a value is refused, a training fails, or it was interrupted.
    """
    from apparel.analysis import crossval_results
    from apparel.errors import UserError
    from apparel.sweeps import crossval, crossval_plan
    from apparel.utils import processes

    plan = crossval_plan.make_plan(
        arguments.recipe, arguments.set_param, arguments.folds, arguments.seeds, arguments.all, arguments.name
    )
    print(plan.text(), flush=True)
    if arguments.dry_run:
        return
    processes.interrupt_on_termination()
    try:
        result = crossval.run(plan)
    except KeyboardInterrupt:
        raise UserError("stopped; run the same command again to continue") from None
    print(crossval_results.terminal_text(result))
    print(f"tables: {crossval_results.folder(plan.name).as_posix()}; compare: apparel compare {plan.name} OTHER")
