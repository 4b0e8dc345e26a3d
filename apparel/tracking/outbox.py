"""What waits for MLflow: one folder a run, which a stage appends to and a sender empties.

Everything is on disk before any of it is sent, so a server that is away, a killed process or a full queue loses
nothing. A folder holds

    run.json     whose lines these are (`Head`)
    lines.jsonl  what happened, one JSON object a line, only ever appended to
    files/       copies of files, each until it is sent
    sent.json    the MLflow run, and how many bytes of lines.jsonl it has

Lines are kept after they were sent: a run that MLflow has lost can be sent to it again.
"""

import json
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock

from apparel import paths
from apparel.utils import files

RUNS = paths.LOCAL / "runs"


@dataclass(frozen=True)
class Head:
    """Who a run is, as known before MLflow has heard of it."""

    server: str  # the tracking URI it belongs to; a relative one starts at the project's root
    experiment: str
    name: str
    start: int  # milliseconds since 1970
    parent: str | None = None  # the run that it is shown under: MLflow's id, or the name of its outbox
    run: str | None = None  # the run itself, when it exists already: MLflow's id, or the name of its first outbox


class Line(NamedTuple):
    """One thing that happened."""

    kind: str  # metrics, params, tags, inputs, file, model or status
    values: dict[str, Any]
    step: int
    time: int  # milliseconds since 1970
    end: int  # bytes of lines.jsonl up to and with this line


class Outbox:
    """One run's folder. One process at a time appends; one at a time, holding `lock`, sends."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.id = folder.name
        self.head = Head(**json.loads((folder / "run.json").read_text(encoding="utf-8")))
        self.lock = FileLock(folder / "lock")
        self._lines = folder / "lines.jsonl"

    @classmethod
    def create(cls, head: Head) -> "Outbox":
        """A new folder under a name that no other clone will ever choose."""
        folder = RUNS / uuid.uuid4().hex
        files.write_json(folder / "run.json", asdict(head))
        return cls(folder)

    def append(self, kind: str, values: dict[str, Any], step: int = 0, durable: bool = True) -> None:
        """Adds a line; it outlives the process at once and, when `durable`, the machine as well."""
        line = {"kind": kind, "values": values, "step": step, "time": now()}
        torn = not self._ends_whole()
        with self._lines.open("ab") as handle:
            # A writer that was killed may have left half a line, which ends here and is skipped by readers.
            handle.write(b"\n" * torn + json.dumps(line).encode() + b"\n")
            if durable:
                handle.flush()
                os.fsync(handle.fileno())

    def place(self, name: str) -> str:
        """A place of its own for a copied file with the name that MLflow should show, relative to the folder."""
        place = Path("files") / uuid.uuid4().hex / name
        (self.folder / place).parent.mkdir(parents=True)
        return place.as_posix()

    def lines(self, start: int = 0) -> Iterator[Line]:
        """The whole lines from byte `start` on; what is not a line, such as a torn one, is passed over."""
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

    def waiting(self) -> Iterator[Line]:
        """The lines that are not known to have arrived."""
        return self.lines(self.sent()[1])

    def sent(self) -> tuple[str | None, int]:
        """MLflow's id of the run, when there is one, and how many bytes of the lines it has."""
        try:
            record = json.loads((self.folder / "sent.json").read_text(encoding="utf-8"))
            return record["run"], record["bytes"]
        except (OSError, ValueError, KeyError, TypeError):
            return None, 0  # sending again does no harm

    def advance(self, run: str | None, sent: int) -> None:
        """Records that MLflow's `run` has the first `sent` bytes."""
        files.write_json(self.folder / "sent.json", {"run": run, "bytes": sent})

    def discard(self, place: str) -> None:
        """Deletes a copied file that was sent."""
        shutil.rmtree((self.folder / place).parent, ignore_errors=True)

    def _ends_whole(self) -> bool:
        try:
            with self._lines.open("rb") as handle:
                handle.seek(-1, os.SEEK_END)
                return handle.read() == b"\n"
        except OSError:  # not there yet, or empty
            return True


def find(run: str) -> Outbox | None:
    """The folder of that name, unless it is gone or was never finished making."""
    try:
        return Outbox(RUNS / run)
    except (OSError, ValueError, TypeError):
        return None


def of_run(run: str) -> Outbox | None:
    """The folder of that name, else one whose run has that id in MLflow."""
    return find(run) or next((box for box in known() if box.sent()[0] == run), None)


def unsent() -> list[Outbox]:
    """Every run with lines that wait, oldest first."""
    return [box for box in known() if next(box.waiting(), None)]


def known() -> list[Outbox]:
    """Every run of this clone, oldest first."""
    found = [find(folder.name) for folder in RUNS.iterdir()] if RUNS.is_dir() else []
    return sorted(filter(None, found), key=lambda box: (box.head.start, box.id))


def now() -> int:
    """Wall time in milliseconds since 1970, as MLflow counts it."""
    return time.time_ns() // 1_000_000
