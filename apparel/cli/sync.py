"""`python -m apparel sync`: sends MLflow what it could not be told while a stage ran."""

import argparse

from apparel.errors import UserError
from apparel.tracking import outbox
from apparel.tracking.outbox import Outbox
from apparel.tracking.runs import without_password


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    parser.description = (
        "Training goes on when the MLflow server is away. What could not be sent waits in .apparel/runs,\n"
        "each run with the address of its server. This sends it; what arrived before is not sent twice.\n"
        "The exit status is 1 when something waits still."
    )
    parser.epilog = "example: python -m apparel sync --dry-run"
    parser.add_argument("--dry-run", action="store_true", help="only say what waits, and where it would go")


def main(arguments: argparse.Namespace) -> None:
    """Sends, or lists, every run that waits.

    Raises:
        UserError: a run could not be sent whole.
    """
    waiting = outbox.unsent()
    if not waiting:
        print("Nothing waits: MLflow has everything.")
    for box in waiting:
        address = without_password(box.head.server)
        what = f"{_contents(box)} of run '{box.head.name}', experiment '{box.head.experiment}', to {address}"
        if arguments.dry_run:
            print(f"would send {what}")
        else:
            _send(box, what)
    left = 0 if arguments.dry_run else len(outbox.unsent())
    if left:
        raise UserError(f"{left} {'run waits' if left == 1 else 'runs wait'} still")


def _send(box: Outbox, what: str) -> None:
    from tqdm import tqdm

    from apparel.tracking.sender import Sender, problem

    try:
        sender = Sender(box)
        with tqdm(total=sum(1 for _ in box.waiting()), desc=box.head.name, unit="line", leave=False) as bar:
            sender.send(bar.update)
    except Exception as error:  # noqa: BLE001 - one run's trouble, whatever it is, must not keep the others back
        print(f"not sent: {problem(box, error)}")
        return
    print(f"sent {what}: run {box.sent()[0]}")
    for refusal in sender.refused:
        print(f"warning: {refusal}")


def _contents(box: Outbox) -> str:
    kinds = [line.kind for line in box.waiting()]
    return f"{len(kinds)} entries and {kinds.count('file')} files"
