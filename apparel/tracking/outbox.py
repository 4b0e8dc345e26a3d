"""Outboxes: what a stage records for MLflow, on disk until the sender has delivered it; one folder for each run.

Everything is on disk before any of it is sent, so nothing is lost when the server is away, a process is killed or a
queue is full. MLflow's own asynchronous logging keeps its queue in memory and leaves artifacts out. A folder holds

    run.json     the run's header (`RunHeader`)
    lines.jsonl  what happened, one JSON object a line, only ever appended to
    files/       copies of files, each until it is sent
    sent.json    the MLflow run, how many bytes of lines.jsonl it has, and which lines before that it has not (`Held`)

Lines stay after they were sent: a run that MLflow has lost can be sent again.
"""

import json
import os
import shutil
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock

from apparel import paths
from apparel.tracking.server import address_only
from apparel.utils import files

OUTBOXES = paths.LOCAL / "runs"
"""The folder of all outboxes of this clone."""


@dataclass(frozen=True)
class RunHeader:
    """What identifies a run before MLflow has heard of it.

    Attributes:
        server: tracking URI of its server without user name and password; a relative one starts at the project's root.
        experiment: the MLflow experiment's name.
        name: the run's name in MLflow.
        start: milliseconds since 1970.
        parent: the run that it is shown under: MLflow's id, or the id of its outbox.
        run: the run itself where it exists already: MLflow's id, or the id of its first outbox.
        attempt: how often the run was sent anew, to another server or as another run. What was sent before is void.
        replaces: MLflow's id of the run that this one was, or was to be, before it was sent anew.
        origin: the server of `replaces`.
        former_parent: the parent, where its server does not have that.
    """

    server: str
    experiment: str
    name: str
    start: int
    parent: str | None = None
    run: str | None = None
    attempt: int = 0
    replaces: str | None = None
    origin: str | None = None
    former_parent: str | None = None


class Line(NamedTuple):
    """One entry of lines.jsonl."""

    kind: str  # metrics, params, tags, inputs, file, model or status
    values: dict[str, Any]  # by name; `place` is the path of a copied file, relative to the outbox
    step: int
    time: int  # milliseconds since 1970
    end: int  # offset in lines.jsonl, in bytes, of the line's end


class Held(NamedTuple):
    """A line, or one value of it, that MLflow does not have although it has what follows."""

    line: Line
    why: str


class Outbox:
    """The folder of one run. One process at a time appends; one at a time sends, and holds `lock` while it does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.id = folder.name
        header = RunHeader(**json.loads((folder / "run.json").read_text(encoding="utf-8")))
        self.header = replace(header, server=address_only(header.server))
        if header != self.header:  # written by a version that kept the password
            files.write_json(folder / "run.json", asdict(self.header))
        self.lock = FileLock(folder / "lock")
        self._lines = folder / "lines.jsonl"

    @classmethod
    def create(cls, header: RunHeader) -> "Outbox":
        """A new folder under a random name, which is unique across clones."""
        folder = OUTBOXES / uuid.uuid4().hex
        files.write_json(folder / "run.json", asdict(replace(header, server=address_only(header.server))))
        return cls(folder)

    def append(self, kind: str, values: dict[str, Any], step: int = 0, durable: bool = True) -> None:
        """Adds a line. It survives the end of this process and, when `durable`, a crash of the machine."""
        line = {"kind": kind, "values": values, "step": step, "time": now_ms()}
        torn = not self._ends_with_newline()
        with self._lines.open("ab") as handle:
            # A killed writer may have left half a line: the newline ends it, and readers skip it.
            handle.write(b"\n" * torn + json.dumps(line).encode() + b"\n")
            if durable:
                handle.flush()
                os.fsync(handle.fileno())

    def new_file(self, name: str) -> str:
        """A free path, relative to the folder, for a copied file that MLflow is to show as `name`."""
        file = Path("files") / uuid.uuid4().hex / name
        (self.folder / file).parent.mkdir(parents=True)
        return file.as_posix()

    def lines(self, start: int = 0) -> Iterator[Line]:
        """The lines from byte `start` on; a torn or damaged line is skipped."""
        if not self._lines.exists():
            return
        with self._lines.open("rb") as handle:
            handle.seek(start)
            for text in handle:
                start += len(text)
                if text.endswith(b"\n"):
                    try:
                        yield Line(**json.loads(text), end=start)
                    except (ValueError, TypeError):
                        continue

    def last_steps(self) -> dict[str, int]:
        """The last step of each metric."""
        last: dict[str, int] = {}
        for line in self.lines():
            if line.kind == "metrics":
                last |= {name: max(line.step, last.get(name, -1)) for name in line.values}
        return last

    def size(self) -> int:
        """Bytes of lines.jsonl."""
        return self._lines.stat().st_size if self._lines.exists() else 0

    def unsent_lines(self) -> Iterator[Line]:
        """The lines that MLflow has not confirmed."""
        yield from (held.line for held in self.held())
        yield from self.lines(self.sent()[1])

    def sent(self) -> tuple[str | None, int]:
        """MLflow's id of the run, None before there is one, and how many bytes of the lines it has or holds up."""
        record = self._record()
        return (record["run"], record["bytes"]) if record else (None, 0)  # sending again does no harm

    def held(self) -> list[Held]:
        """What the server did not take, before that number of bytes."""
        record = self._record()
        return [Held(Line(**held["line"]), held["why"]) for held in record["held"]] if record else []

    def advance(self, run: str | None, sent: int, held: Sequence[Held] = ()) -> None:
        """Records that MLflow's `run` has the first `sent` bytes, except for the lines that are held."""
        kept = [{"line": line._asdict(), "why": why} for line, why in held]
        record = {"run": run, "bytes": sent, "held": kept, "attempt": self.header.attempt}
        files.write_text(self.folder / "sent.json", json.dumps(record))  # a held metric may be NaN

    def send_anew(self, **changes: Any) -> None:
        """Changes fields of the header and lets all lines be sent again, as those of another run."""
        run, _ = self.sent()
        if run:
            changes = {"replaces": run, "origin": self.header.server} | changes
        self.header = replace(self.header, attempt=self.header.attempt + 1, **changes)
        files.write_json(self.folder / "run.json", asdict(self.header))

    def discard(self, file: str) -> None:
        """Deletes a copied file that was sent."""
        shutil.rmtree((self.folder / file).parent, ignore_errors=True)

    def _record(self) -> dict[str, Any] | None:
        try:
            record = {"held": [], "attempt": 0} | json.loads((self.folder / "sent.json").read_text(encoding="utf-8"))
            return record if record["attempt"] == self.header.attempt and record.keys() >= {"run", "bytes"} else None
        except (OSError, ValueError, TypeError):
            return None

    def _ends_with_newline(self) -> bool:
        try:
            with self._lines.open("rb") as handle:
                handle.seek(-1, os.SEEK_END)
                return handle.read() == b"\n"
        except OSError:  # missing or empty
            return True


def find_outbox(name: str) -> Outbox | None:
    """The outbox of that id; None if it is gone or its creation was interrupted."""
    try:
        return Outbox(OUTBOXES / name)
    except (OSError, ValueError, TypeError):
        return None


def outbox_of_run(run: str) -> Outbox | None:
    """The outbox of that id, else one whose run has that id in MLflow, or was sent in place of a run with that id."""
    outboxes = (outbox for outbox in all_outboxes() if run in (outbox.sent()[0], outbox.header.replaces))
    return find_outbox(run) or next(outboxes, None)


def unsent_outboxes() -> list[Outbox]:
    """The outboxes with lines that were not sent, oldest first."""
    return [outbox for outbox in all_outboxes() if next(outbox.unsent_lines(), None)]


def all_outboxes() -> list[Outbox]:
    """The outboxes of this clone, oldest first."""
    outboxes = [find_outbox(folder.name) for folder in OUTBOXES.iterdir()] if OUTBOXES.is_dir() else []
    return sorted(filter(None, outboxes), key=lambda outbox: (outbox.header.start, outbox.id))


def now_ms() -> int:
    """Wall time in milliseconds since 1970, the unit of MLflow's times."""
    return time.time_ns() // 1_000_000
