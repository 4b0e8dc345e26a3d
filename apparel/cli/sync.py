"""`apparel sync`: sends runs to MLflow that its server did not take while a stage ran."""

import argparse

from apparel.errors import UserError
from apparel.tracking.outbox import Outbox, unsent_outboxes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    parser.description = (
        "Training continues when the MLflow server is away. What could not be sent waits in .apparel/runs,\n"
        "each run with the address of its server. This command sends it; nothing is sent twice.\n"
        "The exit status is 1 when something still waits."
    )
    parser.epilog = "example: apparel sync --dry-run"
    parser.add_argument("--dry-run", action="store_true", help="only list what waits, and where it would go")


def main(arguments: argparse.Namespace) -> None:
    """Sends, or lists, every run that waits.

    Raises:
        UserError: a run could not be sent completely.
    """
    outboxes = unsent_outboxes()
    if not outboxes:
        print("Nothing waits: MLflow has everything.")
    for outbox in outboxes:
        if arguments.dry_run:
            print(f"would send {_summary(outbox)}")
        else:
            _send(outbox)
    left = 0 if arguments.dry_run else len(unsent_outboxes())
    if left:
        raise UserError(f"{left} {'run waits' if left == 1 else 'runs wait'} still")


def _send(outbox: Outbox) -> None:
    from tqdm import tqdm

    from apparel.tracking.sender import Sender, problem

    summary, lines = _summary(outbox), sum(1 for _ in outbox.unsent_lines())
    try:
        sender = Sender(outbox)
        with tqdm(total=lines, desc=outbox.header.name, unit="line", leave=False) as bar:
            sender.send(bar.update)
    except Exception as error:  # noqa: BLE001 - an error of one run, whatever it is, must not stop the others
        print(f"not sent: {problem(outbox, error)}")
        return
    print(f"sent {summary}: run {outbox.sent()[0]}")
    for refusal in sender.refused:
        print(f"warning: {refusal}")


def _summary(outbox: Outbox) -> str:
    kinds = [line.kind for line in outbox.unsent_lines()]
    header = outbox.header
    return (
        f"{len(kinds)} entries and {kinds.count('file')} files of run '{header.name}', "
        f"experiment '{header.experiment}', to {header.server}"
    )
