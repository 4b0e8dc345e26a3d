"""`python -m apparel sweep`: searches better values for keys of params.yaml, and loses no trial."""

import argparse
import signal
import sys
from pathlib import Path

from apparel.errors import UserError

BEST = -1

EXAMPLES = """examples:
  python -m apparel sweep --dry-run                        what would be done, and how long it takes
  python -m apparel sweep --trials 16 --workers 2          started again after whatever happened, it goes on
  python -m apparel sweep --report                         what was found so far, at any time
  python -m apparel sweep --finish                         the best values into params.yaml, after asking
  python -m apparel sweep --storage postgresql://me@db/sweeps --workers 4     the same on each machine

configs/sweep.yaml says what is searched, for what, and how. The first trial is today's params.yaml. Ctrl-C stops it;
the same command goes on, each training from its last checkpoint."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    from apparel.sweeps import storage

    parser.epilog = EXAMPLES
    parser.add_argument("--config", type=Path, default=Path("configs/sweep.yaml"), help="default configs/sweep.yaml")
    parser.add_argument("--study", help="name of the study and its experiments (default: the one in the config)")
    parser.add_argument("--trials", type=_count, help="how many trials the study is to have in all")
    parser.add_argument("--minutes", type=float, help="no new trial begins after so many minutes of work")
    parser.add_argument("--workers", type=_count, default=1, help="trainings at a time on this machine (default 1)")
    parser.add_argument("--storage", default=storage.LOCAL, help=f"where the study is (default {storage.LOCAL})")
    parser.add_argument(
        "--report", action="store_true", help="only show what the study has found so far, as a page, too"
    )
    trial = {"nargs": "?", "const": BEST, "type": _number, "metavar": "TRIAL"}
    parser.add_argument("--finish", **trial, help="write the best trial's values, or that one's, into params.yaml")
    parser.add_argument("--yes", action="store_true", help="with --finish: do not ask")
    parser.add_argument("--dry-run", action="store_true", help="show what would be done, and stop")


def main(arguments: argparse.Namespace) -> None:
    """Shows what will be done, then does it."""
    if arguments.report or arguments.finish is not None:
        _look_back(arguments)
        return
    from apparel.sweeps import driver, plan

    changes = {name: getattr(arguments, name) for name in ("study", "trials", "minutes")}
    made = plan.make(arguments.config, arguments.storage, arguments.workers, changes)
    print(made.text(), flush=True)
    if arguments.dry_run:
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        study = driver.run(made)
    except KeyboardInterrupt:
        raise UserError("stopped; the same command goes on") from None
    from apparel.sweeps import report, study_table

    print(report.terminal_text(study))
    which, number = ("one of them", " TRIAL") if len(study_table.best(study)) > 1 else ("the best", "")
    print(f"\nwith pictures: open {report.place(study).as_posix()}")
    print(f"to take {which}: {made.command} --finish{number}")


def _look_back(arguments: argparse.Namespace) -> None:
    from apparel.sweeps import apply_best, config, report, storage

    name = arguments.study or config.load(arguments.config).study
    study = storage.load(arguments.storage, name)
    if arguments.report:
        report.show(study)
    if arguments.finish is not None:
        apply_best.run(study, None if arguments.finish == BEST else arguments.finish, arguments.yes, arguments.dry_run)


def _number(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a trial's number, found {text!r}")
    return int(text)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1, found {text!r}")
    return int(text)
