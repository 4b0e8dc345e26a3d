"""`apparel run`: a recipe of configs/experiments as a DVC experiment, or the pipeline as params.yaml says."""

import argparse
import sys

from apparel.cli.arguments import add_runner, add_set_param

EXAMPLES = """examples:
  apparel run                     params.yaml as it is: `dvc repro`
  apparel run --list              the recipes in configs/experiments
  apparel run six --dry-run       how long it takes, what to expect, and the `dvc exp run` line
  apparel run six                 runs that line, as the experiment `six`
  apparel run six --name six-60 -S train.epochs=60     with another value, under another name
  apparel run six --isolated      in a copy of the project: edit and run other things here meanwhile

All is checked before DVC starts. A recipe's values stay in params.yaml afterwards, as DVC has it; `git restore
params.yaml` brings back yours. An isolated run leaves your files alone; `dvc exp apply NAME` brings its results.
Ctrl-C ends the run; the same command continues from the last checkpoint. The exit status is DVC's."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    parser.epilog = EXAMPLES
    parser.add_argument("recipe", nargs="?", help="a file configs/experiments/RECIPE.yaml")
    add_set_param(parser)
    parser.add_argument("-n", "--name", help="name of the experiment (default: the recipe's)")
    parser.add_argument("-f", "--force", action="store_true", help="run all stages, and replace an experiment")
    parser.add_argument("--isolated", action="store_true", help="run in a copy of the project; leaves an experiment")
    parser.add_argument("--dry-run", action="store_true", help="only show what would be run")
    parser.add_argument("--list", action="store_true", help="list the recipes")
    add_runner(parser)


def main(arguments: argparse.Namespace) -> None:
    """Checks and shows the command, and runs it.

    Raises:
        UserError: there is no such recipe, a value or the runner is refused, or an import is missing.
        SystemExit: DVC's exit status, if not 0.
    """
    from apparel.analysis import experiment_run, recipes, run_results
    from apparel.utils import beam, processes
    from apparel.versioning import experiment_head

    if arguments.list:
        for name in recipes.names():
            print(f"{name:<12} {recipes.load(name).about}")
        return
    beam.ask(arguments.runner, arguments.runner_option)  # DVC and its stages inherit the environment
    if not arguments.dry_run and (branch := experiment_head.restore()):
        print(f"git is back on {branch}, which a killed `dvc exp run` had left")
    run = experiment_run.prepare(
        arguments.recipe, arguments.name, arguments.set_param, arguments.force, arguments.isolated
    )
    if arguments.dry_run:
        print(f"{run.text()}\n{run.readiness()}")
        return
    stages = run.ready_stages()
    print(f"{run.text()}\n{run.expectation(stages)}", flush=True)
    processes.interrupt_on_termination()
    if status := experiment_run.start(run.command):
        sys.exit(status)
    print(run_results.text(run.experiment if run.isolated else None))
