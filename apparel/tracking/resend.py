"""Runs sent anew: to another MLflow server, or as a new run where the server does not have what they belong to."""

from collections.abc import Callable
from typing import Any

from apparel.tracking.outbox import Outbox
from apparel.tracking.run_lookup import Gone
from apparel.tracking.sender import Sender
from apparel.tracking.server import connect, with_password


def move(outbox: Outbox, server: str) -> None:
    """Lets all of a run be sent to another server; does nothing if it is that of the run.

    Raises:
        Timeout: another process sends this outbox now.
        Exception: whatever MLflow's client raises when nothing answers there.
    """
    if outbox.header.server == server:
        return
    connect(with_password(server)).search_experiments(max_results=1)
    with outbox.lock.acquire(timeout=2):
        outbox.send_anew(server=server)


def send_as_new(outbox: Outbox, progress: Callable[[int], Any]) -> None:
    """Sends a run; where its server does not have the run, parent or experiment of its header, without that.

    Raises:
        Exception: as `Sender.send`.
    """
    for _ in range(3):  # the run, its parent and its experiment may be gone
        try:
            return Sender(outbox).send(progress)
        except Gone as gone:
            if gone.outbox.id != outbox.id:  # the run's parent cannot be sent
                raise
            with outbox.lock.acquire(timeout=2):
                outbox.send_anew(**gone.changes)
    return Sender(outbox).send(progress)
