"""Sends the lines of an outbox to MLflow, while the stage writes them or later.

A stage starts `python -m apparel.tracking.sender ID`. Sending twice, as after a crash, changes nothing: an existing run
is found by its tag, MLflow ignores a metric that it has with the same step, time and value, and tags, parameters,
files and data sets replace themselves.
"""

import logging
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from filelock import Timeout

from apparel import paths
from apparel.errors import UserError, some_of
from apparel.tracking import receipt, run_lookup
from apparel.tracking.artifacts import artifact_path
from apparel.tracking.delivery import VALUES, Delivery
from apparel.tracking.outbox import OUTBOXES, Held, Line, Outbox
from apparel.tracking.server import connect, reason, with_password, without_password

BATCH = 20_000
"""Weight of what is sent and confirmed together: a metric counts 1, a parameter or tag 10. MLflow's client makes
requests of 1000 metrics of it, the most that MLflow takes; the history of a metric is read whole to confirm a batch."""

LONGEST_PAUSE = 60
"""Seconds, at most, between attempts while the server is away."""

REST = 20
"""Rest of the sender, as a multiple of the time that it worked: to confirm a long run takes seconds, which the training
on this machine needs."""


class _RunGoneError(Exception):
    """MLflow has deleted the run, or its store was replaced."""


class Sender:
    """Sends one outbox to the server that its header names."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._client = connect(with_password(outbox.header.server))
        self._run: str | None = None
        self._sent = 0
        self._held: list[Held] = []
        self._delivery: Delivery | None = None
        self._doubtful = outbox.size()  # an earlier process may have sent lines up to here without recording that

    def send(self, progress: Callable[[int], Any] = lambda lines: None, retry: bool = True) -> None:
        """Sends all unsent lines. What arrived is recorded, and what the server did not take is held with the reason.

        Args:
            progress: called with the number of lines of each request.
            retry: whether to try again what is held.

        Raises:
            Timeout: another process sends this outbox now.
            Gone: the server does not have what the outbox belongs to.
            Exception: whatever MLflow's client raises when the server is away or fails, or something else answers.
        """
        with self._outbox.lock.acquire(timeout=2):
            if (self._run, self._sent) != self._outbox.sent():
                self._run, self._sent = self._outbox.sent()
                self._delivery, self._doubtful = None, self._outbox.size()
            self._held = self._outbox.held()
            while True:
                try:
                    if retry:
                        self._retry_held()
                    self._send_lines(progress)
                    return
                except _RunGoneError:
                    self._forget_run()

    def _send_lines(self, progress: Callable[[int], Any]) -> None:
        while batch := _first_batch(self._outbox.lines(self._sent)):
            self._find_run()
            held = len(self._held)
            self._deliver(batch)
            self._sent = batch[-1].end
            self._outbox.advance(self._run, self._sent, self._held)
            if len(self._held) == held:
                self._discard(batch)
            progress(len(batch))

    def _retry_held(self) -> None:
        held, self._held = self._held, []
        for index, (line, _) in enumerate(held):
            kept = list(self._held)
            try:
                self._find_run()
                if not any(_replaces(later, line) for later in self._outbox.lines(line.end)):
                    self._deliver([line])
            except Exception:
                self._held = kept + held[index:]
                raise
            self._outbox.advance(self._run, self._sent, self._held + held[index + 1 :])
            if len(self._held) == len(kept):
                self._discard([line])

    def _find_run(self) -> None:
        if not self._run:
            self._run = run_lookup.find_or_create(self._client, self._outbox, lambda other: Sender(other).send())
        if not self._delivery:
            self._delivery = Delivery(self._client, self._run, self._outbox)

    def _deliver(self, batch: list[Line]) -> None:
        """Sends a batch; where the server does not take it for a reason of its own, its halves, to hold a single value.

        A whole batch counts as not taken only by MLflow's own error. A file may be held for another reason, such as a
        proxy's limit of size, if MLflow itself answers: what follows is not to wait for it.
        """
        try:
            self._delivery.deliver(batch, repeated=batch[0].end <= self._doubtful)
        except Exception as error:  # noqa: BLE001 - of several libraries; `_why_held` raises what it cannot judge
            self._doubtful = self._outbox.size()
            why = self._why_held(batch[0].kind, error)
            halves = _halves(batch)
            if not halves:
                self._held.append(Held(batch[0], why))
            for half in halves:
                self._deliver(half)

    def _why_held(self, kind: str, error: Exception) -> str:
        """Why a line is held; raises the error where that says nothing about the line."""
        own_error = receipt.is_mlflows(error, receipt.INVALID, receipt.MISSING)
        if own_error and run_lookup.is_gone(self._client, self._run):
            raise _RunGoneError from error
        if receipt.is_mlflows(error, receipt.INVALID):
            return f"MLflow refused it: {reason(error)}"
        if receipt.is_too_old(self._client, kind):
            return "MLflow's server is too old for it"
        if kind in VALUES or kind == "status":
            raise error
        try:
            receipt.stored_run(self._client, self._run)
        except Exception:  # noqa: BLE001 - of several libraries
            raise error from None
        return reason(error)

    def _forget_run(self) -> None:
        """Starts again from the first line with a new run; a run given by its id is not replaced."""
        if self._outbox.header.run:
            raise run_lookup.gone_run(self._outbox)
        self._outbox.send_anew(replaces=self._run, origin=self._outbox.header.server)
        self._run, self._sent, self._held, self._delivery = None, 0, [], None

    def _discard(self, batch: list[Line]) -> None:
        for line in batch:
            if line.kind in ("file", "model"):
                self._outbox.discard(line.values["place"])


def follow(outbox: Outbox) -> None:
    """Sends what a stage writes until the stage closes this process's standard input or dies; then once more."""
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.buffer.read(), ended.set()), daemon=True).start()
    sender, pause, last = None, 1, False
    while not last:
        last, start, rest = ended.is_set(), time.monotonic(), 0.0
        try:
            sender = sender or Sender(outbox)
            sender.send(retry=last)
            pause, rest = 1, REST * (time.monotonic() - start)
        except Timeout:
            last = False  # another process sends this outbox: wait for it
        except Exception as error:
            logging.exception("not sent")
            if pause == 1:
                _print(f"warning: {problem(outbox, error)}; the run is kept in {paths.LOCAL.name} and sent later")
            pause = min(2 * pause, LONGEST_PAUSE)
        ended.wait(max(pause, rest))
    for missing in describe_held(outbox):
        _print(f"warning: {missing}")


def problem(outbox: Outbox, error: Exception) -> str:
    """One line on what went wrong, without the password of the server's address."""
    if isinstance(error, Timeout):
        return "another process sends this run now"
    if isinstance(error, UserError):
        return without_password(str(error))
    server, why = outbox.header.server, reason(error)
    asks = with_password(server) == server and re.search(r"\b40[13]\b|password|unauthorized", why, re.IGNORECASE)
    remedy = "; put user and password into MLFLOW_TRACKING_URI, they are not stored" if asks else ""
    return f"MLflow at {server} does not take the run ({why}){remedy}"


def describe_held(outbox: Outbox) -> list[str]:
    """What MLflow does not have, a line for each reason."""
    names: dict[str, list[str]] = {}
    for line, why in outbox.held():
        shared = re.sub(r" for url: \S+", "", why).replace(_name(line), "it")
        names.setdefault(shared, []).append(_name(line))
    return [without_password(f"MLflow does not have {some_of(held, 5)}: {why}") for why, held in names.items()]


def _name(line: Line) -> str:
    match line.kind:
        case "file":
            return f"file {_target(line)}"
        case "inputs":
            return f"data set {line.values['path']}"
        case "metrics" | "params" | "tags":
            return f"{line.kind[:-1]} {', '.join(line.values)}"
    return f"the {line.kind}"


def _first_batch(lines: Iterable[Line]) -> list[Line]:
    """As many lines as fit into one batch; a line other than metrics, params or tags is sent alone."""
    batch: list[Line] = []
    room = BATCH
    for line in lines:
        weight = {"metrics": 1, "params": 10, "tags": 10}.get(line.kind, BATCH) * len(line.values)
        if batch and weight > room:
            break
        batch.append(line)
        room -= weight
    return batch


def _halves(batch: list[Line]) -> list[list[Line]]:
    """The halves of a batch, or of the values of its only line; none of a single value or file."""
    middle = len(batch) // 2
    if middle:
        return [batch[:middle], batch[middle:]]
    line, values = batch[0], list(batch[0].values.items())
    if line.kind not in VALUES or len(values) < 2:
        return []
    middle = len(values) // 2
    return [[line._replace(values=dict(part))] for part in (values[:middle], values[middle:])]


def _replaces(later: Line, line: Line) -> bool:
    """Whether what a later line sets is what a line of tags or a file would set."""
    if later.kind != line.kind:
        return False
    if line.kind == "tags":
        return line.values.keys() <= later.values.keys()
    return line.kind == "file" and _target(later) == _target(line)


def _target(line: Line) -> str:
    return artifact_path(Path(line.values["place"]).name, line.values["folder"])


class _PasswordFreeFormatter(logging.Formatter):
    """Leaves the password out of tracebacks too: the log stays in the run's folder."""

    def format(self, record: logging.LogRecord) -> str:
        return without_password(super().format(record))


def _print(text: str) -> None:
    with suppress(OSError):  # the stage died and closed the pipe
        print(text, flush=True)


def main() -> None:
    """Sends the outbox that the first argument names."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the training, which then reports how it ended
    handler = logging.StreamHandler()
    handler.setFormatter(_PasswordFreeFormatter("%(asctime)s %(message)s"))
    logging.basicConfig(handlers=[handler])
    follow(Outbox(OUTBOXES / sys.argv[1]))


if __name__ == "__main__":
    main()
