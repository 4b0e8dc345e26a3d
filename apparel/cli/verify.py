"""`apparel verify`: runs stages again in a copy, and compares every output byte by byte."""

import argparse
import time

from apparel.errors import UserError

EXAMPLES = """examples:
  apparel verify                  all stages; asks first, since it takes as long as they did
  apparel verify --stage convert  one stage alone, on the present inputs
  apparel verify --dry-run        only say what would be run, and how long that took

The copy is .apparel/verify, with links to the data and a cache of its own: DVC runs every stage and takes nothing from
its cache. Nothing here is changed, nothing is sent to MLflow, and the copy is removed at the end.
The exit status is 1 when an output differs."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    parser.epilog = EXAMPLES
    parser.add_argument("--stage", metavar="NAME", help="run this stage alone: draw, convert, split, tfrecord, ...")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--dry-run", action="store_true", help="say what would be run, and stop")


def main(arguments: argparse.Namespace) -> None:
    """Runs the stages and compares their outputs.

    Raises:
        UserError: there is nothing to compare with, the rerun failed, or an output differs.
    """
    from apparel.analysis import rerun
    from apparel.cli.arguments import confirm
    from apparel.versioning import dvc_lock

    lock = dvc_lock.read_workspace()
    stages = rerun.select_stages(lock, arguments.stage)
    print(f"To be run again: {', '.join(stages)}. {rerun.expected_duration(lock, arguments.stage or rerun.ALL)}")
    rerun.check_up_to_date(stages)
    if arguments.dry_run or not (arguments.yes or confirm("Continue?", "add --yes to run it, or --dry-run")):
        print("nothing was run")
        return
    start = time.monotonic()
    differences = rerun.rerun(lock, stages, arguments.stage)
    count = sum(len(lock.outs(stage)) for stage in stages)
    of_all = len(rerun.select_stages(lock, None))
    print(f"\nran {len(stages)} of {of_all} stages in {rerun.duration_text(time.monotonic() - start)}")
    for difference in differences:
        print(rerun.difference_text(difference))
    if differences:
        first = next((difference for difference in differences if not difference.inputs_differ), differences[0])
        raise UserError(f"{len(differences)} of {count} outputs differ; look for the cause in {first.stage}, the first")
    print(f"all {count} outputs came out the same, byte for byte")
