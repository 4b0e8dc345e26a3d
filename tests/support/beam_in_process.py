"""In place of Beam: shards done in this process, the last first, so that a test of what is done needs no runner."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from apparel.utils import beam, beam_runners


class _Done:
    def wait(self, seconds: float) -> bool:
        return True


def install(monkeypatch: pytest.MonkeyPatch, killed_after: int | None = None) -> None:
    """Asks for it; with `killed_after`, the run is interrupted after so many shards."""

    @contextmanager
    def started(line: str, work: Callable[[str], None], keys: Sequence[str], log: Path) -> Iterator[_Done]:
        for number, key in enumerate(reversed(keys)):
            if number == killed_after:
                raise KeyboardInterrupt
            work(key)
        yield _Done()

    monkeypatch.setenv(beam.VARIABLE, "--runner=DirectRunner")
    monkeypatch.setattr(beam_runners, "started", started)
