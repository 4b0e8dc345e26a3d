"""`apparel sync`: sends runs to MLflow that its server did not take while a stage ran."""

import argparse

from apparel.errors import UserError
from apparel.tracking.outbox import Outbox, all_outboxes, unsent_outboxes
from apparel.tracking.server import address_only, check_address, remember, server_address


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    parser.description = (
        "Training continues when the MLflow server is away. What could not be sent waits in .apparel/runs,\n"
        "each run with the address of its server. This command sends it; nothing is sent twice.\n"
        "The exit status is 1 when something still waits."
    )
    parser.epilog = "example: apparel sync --dry-run"
    parser.add_argument("runs", metavar="RUN", nargs="*", help="only these, by name or the first digits of an id")
    parser.add_argument("--dry-run", action="store_true", help="only list what waits, and where it would go")
    parser.add_argument(
        "--to",
        metavar="ADDRESS",
        help="send to this server, all of each run; its password may be in MLFLOW_TRACKING_URI",
    )
    parser.add_argument(
        "--as-new",
        action="store_true",
        help="where the server does not have the run, parent or experiment that was named, send a new run",
    )
    parser.add_argument(
        "--leave-out", action="store_true", help="give up what the server, when asked once more, does not take"
    )


def main(arguments: argparse.Namespace) -> None:
    """Sends, or lists, every run that waits.

    Raises:
        UserError: a run could not be sent completely, or none has the given name.
    """
    if arguments.to:
        check_address(arguments.to, "--to")
        remember(arguments.to)
    outboxes = _chosen(arguments.runs) if arguments.runs else unsent_outboxes()
    if not outboxes:
        print("Nothing waits: MLflow has everything.")
    for outbox in outboxes:
        if arguments.dry_run:
            print(f"would send {_summary(outbox, arguments.to)}")
        else:
            _send(outbox, arguments)
    left = [] if arguments.dry_run else [outbox.id for outbox in unsent_outboxes()]
    left = [outbox for outbox in left if not arguments.runs or outbox in {each.id for each in outboxes}]
    if left:
        raise UserError(
            f"{len(left)} {'run waits' if len(left) == 1 else 'runs wait'} still; apparel sync tries again, "
            "apparel sync --to ADDRESS sends to another server"
        )


def _chosen(names: list[str]) -> list[Outbox]:
    outboxes = all_outboxes()
    chosen = []
    for name in names:
        matching = [outbox for outbox in outboxes if outbox.header.name == name or outbox.id.startswith(name)]
        if not matching:
            raise UserError(
                f"no run of this clone has the name or id '{name}'; apparel sync --dry-run lists what waits"
            )
        chosen += matching
    return chosen


def _send(outbox: Outbox, arguments: argparse.Namespace) -> None:
    from tqdm import tqdm

    from apparel.tracking.resend import move, send_as_new
    from apparel.tracking.sender import Sender, describe_held, problem

    try:
        if arguments.to:
            move(outbox, address_only(arguments.to))
        summary, lines = _summary(outbox), sum(1 for _ in outbox.unsent_lines())
        with tqdm(total=lines, desc=outbox.header.name, unit="line", leave=False) as bar:
            if arguments.as_new or arguments.to:
                send_as_new(outbox, bar.update)
            else:
                Sender(outbox).send(bar.update)
    except Exception as error:  # noqa: BLE001 - an error of one run, whatever it is, must not stop the others
        print(f"not sent: {problem(outbox, error)}")
        return
    held = outbox.held()
    if arguments.to and outbox.header.server != server_address():
        print(f"for what follows: export MLFLOW_TRACKING_URI={outbox.header.server}")
    print(f"{'sent, but not whole,' if held else 'sent'} {summary}: run {outbox.sent()[0]}")
    for missing in describe_held(outbox):
        print(f"{'left out' if arguments.leave_out else 'missing'}: {missing}")
    if held and arguments.leave_out:
        outbox.advance(*outbox.sent())
    elif held:
        print(f"apparel sync tries again; apparel sync --leave-out {outbox.id[:8]} gives it up")


def _summary(outbox: Outbox, to: str | None = None) -> str:
    kinds = [line.kind for line in outbox.unsent_lines()]
    header = outbox.header
    return (
        f"{len(kinds)} entries and {kinds.count('file')} files of run '{header.name}' ({outbox.id[:8]}), "
        f"experiment '{header.experiment}', to {address_only(to or header.server)}"
    )
