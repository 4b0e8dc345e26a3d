"""`apparel promote`: makes a model champion in MLflow's model registry if it is better than the present one."""

import argparse
import sys

from apparel.errors import UserError

EXAMPLES = """examples:
  apparel promote workspace             the model of the last `dvc repro`
  apparel promote larger --dry-run      an experiment; only compares
  apparel promote main --force --reason "the former one was trained on test photos"

RUN is a run in MLflow (id or name), an experiment, a commit or `workspace`. Its model becomes the next version of the
registered model `garments`. The alias `champion` moves to it only if its mAP50 on the champion's test photos is higher
beyond chance, no class is worse beyond chance, and it takes no more than promote.max_latency_ratio (params.yaml) times
the champion's milliseconds a photo, both measured now. Otherwise the exit status is 1 and what is missing is printed.
A model card goes to .apparel/cards and to MLflow's run; the commit gets the git tags that `dvc artifacts get` reads."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what to promote and how."""
    parser.epilog = EXAMPLES
    parser.add_argument("run", metavar="RUN", help="a run in MLflow, an experiment, a commit or `workspace`")
    parser.add_argument("--force", action="store_true", help="make it champion whatever the comparison says")
    parser.add_argument("--reason", metavar="TEXT", help="why; kept with the version, in its card, and in the log")
    parser.add_argument("--dry-run", action="store_true", help="compare and say what would be done; change nothing")


def main(arguments: argparse.Namespace) -> None:
    """Compares, promotes and prints what was done.

    Raises:
        UserError: the model is not better, or cannot be compared or registered; --force comes without --reason.
    """
    reason = (arguments.reason or "").strip()
    if arguments.force != bool(reason):
        raise UserError('--force needs a reason that is kept, and a reason is for --force: --force --reason "..."')
    print("reading the model and its results, here and from MLflow: some seconds", file=sys.stderr)
    from apparel.analysis import promotion_run, promotion_text

    outcome = promotion_run.promote(arguments.run, reason or None, arguments.dry_run)
    print(promotion_text.outcome_text(outcome, arguments.run, arguments.dry_run))
    if not outcome.is_champion:
        count = len(outcome.decision.missing)
        raise UserError(f"not promoted: {count} {'thing is' if count == 1 else 'things are'} missing, see above")
