"""`python -m apparel verify`: whether the results come out the same, byte for byte, when all is run again."""

import argparse
import signal
import sys
import time
from typing import TYPE_CHECKING

from apparel.errors import UserError

if TYPE_CHECKING:
    from apparel.versioning.dvc_lock import Lock

EXAMPLES = """examples:
  python -m apparel verify                  all stages; asks first, since it takes as long as they did
  python -m apparel verify --stage convert  one stage alone, on what is here
  python -m apparel verify --dry-run        only say what would be run, and how long that took

The copy lies in .apparel/verify, with links to the data and a cache of its own, so that DVC makes everything and
takes nothing from what it kept. Nothing here is changed, MLflow hears nothing, and the copy is removed at the end.
The exit status is 1 when an output differs."""

NAMED = 20
"""How many files of a folder are named."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    parser.epilog = EXAMPLES
    parser.add_argument("--stage", metavar="NAME", help="run this stage alone: draw, convert, split, tfrecord, ...")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")


def main(arguments: argparse.Namespace) -> None:
    """Runs and compares.

    Raises:
        UserError: there is nothing to compare with, the rerun failed, or an output differs.
    """
    from apparel.analysis import rerun
    from apparel.versioning import dvc_lock

    lock = dvc_lock.workspace()
    names = rerun.stages(lock, arguments.stage)
    print(f"To be run again: {', '.join(names)}. {_expected(lock, arguments.stage or 'all')}")
    rerun.check_up_to_date(names)
    if arguments.dry_run or not (arguments.yes or _agreed()):
        print("nothing was run")
        return
    for name in ("SIGTERM", "SIGHUP"):  # as Ctrl-C: nothing of the copy stays, no process goes on
        if hasattr(signal, name) and signal.getsignal(getattr(signal, name)) is signal.SIG_DFL:  # nohup ignores one
            signal.signal(getattr(signal, name), signal.default_int_handler)
    start = time.monotonic()
    with rerun.copied(lock, names) as folder:
        rerun.run(folder, arguments.stage)
        rerun.remember(arguments.stage or "all", time.monotonic() - start)
        differences = rerun.compare(lock, folder, names)
    count = sum(len(lock.outs(name)) for name in names)
    print(f"\nran {len(names)} of {len(lock.stages)} stages in {_time(time.monotonic() - start)}")
    for each in differences:
        print(_line(each))
    if differences:
        first = next((each for each in differences if not each.inputs_differ), differences[0])
        raise UserError(f"{len(differences)} of {count} outputs differ; look for the cause in {first.stage}, the first")
    print(f"all {count} outputs came out the same, byte for byte")


def _expected(lock: "Lock", what: str) -> str:
    from apparel import paths
    from apparel.analysis import rerun as verifying
    from apparel.tracking import local_runs

    seconds = verifying.remembered().get(what)
    if seconds is not None:
        return f"That took {_time(seconds)} the last time."
    model_hash = lock.hashes().get(paths.MODEL.as_posix(), "none")
    training = local_runs.training_seconds(model_hash) if what in ("all", "train") else 60.0
    if training is None:
        return "How long the training took is not known here; expect that, and some minutes more."
    return f"Expect about {_time(training)}" + (" for the training, and some minutes more." if training != 60 else ".")


def _agreed() -> bool:
    if not sys.stdin.isatty():
        raise UserError("say --yes to run it, or --dry-run: there is no terminal to ask at")
    return input("Go on? [y/N] ").strip().lower() in ("y", "yes")


def _line(each) -> str:
    follows = ", as did what it was made from" if each.inputs_differ else ""
    lines = [f"DIFFERS  {each.stage:<9} {each.path}{follows}"]
    lines += [f"{'':<19} {name}" for name in each.files[:NAMED]]
    if len(each.files) > NAMED:
        lines.append(f"{'':<19} and {len(each.files) - NAMED} more")
    return "\n".join(lines)


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
