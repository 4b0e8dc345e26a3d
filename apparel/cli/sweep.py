"""`apparel sweep`: search for better parameters; after a kill the same command continues."""

import argparse
import signal
import sys
from pathlib import Path

from apparel.cli.arguments import confirm, local_path, positive_int, trial_number
from apparel.errors import UserError

BEST = -1
"""Value of `--finish` without a trial number."""

EXAMPLES = """examples:
  apparel sweep --dry-run                        the plan, and how long it takes
  apparel sweep --trials 16 --workers 2          killed? the same command continues
  apparel sweep --report                         the results so far, at any time
  apparel sweep --finish                         the best values into params.yaml, after asking
  apparel sweep --storage postgresql://me@db/sweeps --workers 4     run it on each machine

configs/sweep.yaml has the search space, the objectives and the budget. The first trial has the values of params.yaml.
Ctrl-C stops the sweep; the same command continues it, each training from its last checkpoint."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    from apparel.sweeps import storage

    parser.epilog = EXAMPLES
    parser.add_argument(
        "--config", type=local_path, default=Path("configs/sweep.yaml"), help="default configs/sweep.yaml"
    )
    parser.add_argument("--study", help="name of the study and its experiments (default: the one in the config)")
    parser.add_argument("--trials", type=positive_int, help="number of trials of the study in all")
    parser.add_argument("--minutes", type=float, help="no new trial begins after so many minutes of work")
    parser.add_argument("--workers", type=positive_int, default=1, help="trainings at a time here (default 1)")
    address_help = f"address of the database (default: the variable {storage.VARIABLE}, else {storage.LOCAL})"
    parser.add_argument("--storage", default=storage.default_address(), help=address_help)
    parser.add_argument("--report", action="store_true", help="only show the results so far, and write them as a page")
    trial = {"nargs": "?", "const": BEST, "type": trial_number, "metavar": "TRIAL"}
    parser.add_argument("--finish", **trial, help="write the best trial's values, or that one's, into params.yaml")
    parser.add_argument("--yes", action="store_true", help="with --finish: do not ask")
    parser.add_argument("--dry-run", action="store_true", help="show the plan, or with --finish the change, and stop")


def main(arguments: argparse.Namespace) -> None:
    """Shows the plan, then runs it; or shows or applies the results of an earlier sweep."""
    if arguments.report or arguments.finish is not None:
        _show_or_apply(arguments)
        return
    from apparel.sweeps import driver, plan

    changes = {name: getattr(arguments, name) for name in ("study", "trials", "minutes")}
    sweep_plan = plan.make_plan(arguments.config, arguments.storage, arguments.workers, changes)
    print(sweep_plan.text(), flush=True)
    if arguments.dry_run:
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        study = driver.run(sweep_plan)
    except KeyboardInterrupt:
        raise UserError("stopped; run the same command again to continue") from None
    from apparel.sweeps import report, study_table

    print(report.terminal_text(study))
    print(f"\nwith plots: open {report.report_path(study).as_posix()}")
    which, number = ("one of them", " TRIAL") if len(study_table.best_trials(study)) > 1 else ("the best", "")
    print(f"to take {which}: {sweep_plan.command} --finish{number}")


def _show_or_apply(arguments: argparse.Namespace) -> None:
    from apparel.sweeps import apply_best, config, report, storage

    name = arguments.study or config.load_config(arguments.config).study
    study = storage.load_study(arguments.storage, name)
    if arguments.report:
        report.show(study)
    if arguments.finish is not None:
        number = None if arguments.finish == BEST else arguments.finish
        apply_best.run(
            study, number, lambda question: arguments.yes or confirm(question, "add --yes"), arguments.dry_run
        )
