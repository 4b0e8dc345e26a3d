"""Speed of detectors and their exports on this machine, in turn: milliseconds a photo, and peak memory.

Each detector waits, loaded, in a process of its own, see `timing`. They are timed in rounds, A B A B ..., so that what
else the machine does slows all of them down alike. The figures are medians over all calls.
"""

import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from tqdm import tqdm

from apparel.errors import UserError
from apparel.inference.timing import BATCH, DECODE, MEMORY, ONE, PROCESSOR, WHOLE
from apparel.utils import processes

ROUNDS = 5
"""How often each detector is timed in turn."""

CALLS = 24
"""Photos of each kind of timing in a round: 5 rounds give 120, whose median a few slow ones do not move."""

AT_ONCE = 8
"""Detectors that are loaded at the same time: each takes up to a gigabyte. More are timed in groups of so many."""


@dataclass(frozen=True)
class Candidate:
    """A detector to time: its file or folder, and the runtime (None: the usual one)."""

    path: Path
    runtime: str | None = None


@dataclass(frozen=True)
class Speed:
    """How fast one detector is on one number of threads.

    Attributes:
        runtime: what ran it.
        detector: name of the network, such as `ssd_mobilenet_v1`.
        width, height: pixels of its input.
        threads: processor threads, as many as there are cores where none were asked for.
        seconds: seconds a photo of every call, by round, of `timing.ONE`, `BATCH`, `DECODE` and `WHOLE`, and those of
            the processor for `ONE`, `PROCESSOR`; batches are left out where the network takes one photo at a time.
        memory: peak memory in bytes after one photo at a time, without batches.
    """

    runtime: str
    detector: str
    width: int
    height: int
    threads: int
    seconds: dict[str, list[list[float]]] = field(repr=False)
    memory: int

    def ms(self, what: str = ONE) -> float:
        """Median milliseconds a photo; nan where it was not timed."""
        calls = [seconds for calls in self.seconds.get(what, []) for seconds in calls]
        return 1000 * median(calls) if calls else float("nan")

    def by_round(self) -> list[float]:
        """Median seconds of each round, of a photo at a time."""
        return [median(calls) for calls in self.seconds[ONE]]


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processor() -> str:
    """Name of this machine's processor with the number of cores, such as `Intel(R) Xeon(R) CPU @ 2.20GHz, 2 cores`."""
    listed = Path("/proc/cpuinfo")
    lines = listed.read_text(encoding="utf-8", errors="replace").splitlines() if listed.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    name = names[0] if names else platform.processor() or platform.machine()
    return f"{name}, {cores()} core{'s' if cores() > 1 else ''}"


def measure(
    candidates: Mapping[str, Candidate],
    photos: Sequence[bytes],
    threads: int | None = None,
    rounds: int = ROUNDS,
    calls: int = CALLS,
    failed: list[str] | None = None,
) -> dict[str, Speed]:
    """Times detectors in turn, each in a process of its own, after a round that is not counted.

    Args:
        candidates: the detectors, by name.
        photos: JPEG or PNG files to detect on.
        threads: processor threads and cores of each process; None: all.
        rounds: how often each is timed.
        calls: photos of each kind of timing in a round.
        failed: gets the reasons of those that cannot be loaded, which are left out; None: they are errors.

    Raises:
        UserError: one of them cannot be loaded or run; names it.
    """
    speeds = {}
    names = list(candidates)
    with tempfile.TemporaryDirectory() as folder:
        for number, photo in enumerate(photos):
            Path(folder, f"{number:04}").write_bytes(photo)
        total = len(names) * (2 + rounds)
        with tqdm(total=total, desc="timing", unit=" runs", leave=False, delay=1, disable=None) as progress:
            for start in range(0, len(names), AT_ONCE):
                group = {name: candidates[name] for name in names[start : start + AT_ONCE]}
                speeds |= _measure_group(group, Path(folder), threads, rounds, calls, progress, failed)
    return speeds


def _measure_group(
    candidates: Mapping[str, Candidate],
    photos: Path,
    threads: int | None,
    rounds: int,
    calls: int,
    progress: tqdm,
    failed: list[str] | None,
) -> dict[str, Speed]:
    with ExitStack() as stack:
        running = {}
        for name, candidate in candidates.items():
            try:
                running[name] = stack.enter_context(_process(name, candidate, photos, threads))
            except UserError as error:
                if failed is None:
                    raise
                failed.append(str(error))
            progress.update()
        memory, seconds = {}, {name: {} for name in running}
        for number in range(1 + rounds):
            for name, process in running.items():
                if number == 0:  # the warm-up; batches come after the memory was asked for
                    for what in (ONE, WHOLE):
                        process.ask(what, calls)
                    memory[name] = process.ask(MEMORY, 0)
                for what in (ONE, PROCESSOR, BATCH, DECODE, WHOLE) if number else (BATCH,):
                    timed = process.ask(what, calls)
                    if number and timed:
                        seconds[name].setdefault(what, []).append(timed)
                progress.update()
    used = threads or cores()
    return {
        name: Speed(**process.about, threads=used, seconds=seconds[name], memory=memory[name])
        for name, process in running.items()
    }


class _Process:
    """A process of `timing`, loaded and waiting."""

    def __init__(self, name: str, process: subprocess.Popen, errors: Path):
        self._name, self._process, self._errors = name, process, errors
        self.about = self._read()

    def ask(self, what: str, calls: int) -> Any:
        """What the process answers: seconds of each call, or bytes."""
        with suppress(BrokenPipeError):  # its last words are read below
            print(what, calls, file=self._process.stdin, flush=True)
        return self._read()["value"]

    def _read(self) -> dict[str, Any]:
        line = self._process.stdout.readline()
        if not line:
            last = self._errors.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
            raise UserError(f"{self._name} ended while it was timed: {''.join(last) or 'it was killed'}")
        answer = json.loads(line)
        if "error" in answer:
            raise UserError(f"{self._name} cannot be timed: {answer['error']}")
        return answer


@contextmanager
def _process(name: str, candidate: Candidate, photos: Path, threads: int | None) -> Iterator[_Process]:
    command = [sys.executable, "-m", "apparel.inference.timing", str(candidate.path), str(photos)]
    command += ["--runtime", candidate.runtime] if candidate.runtime else []
    command += ["--threads", str(threads)] if threads else []
    with tempfile.TemporaryDirectory() as folder:
        errors = Path(folder, "errors.txt")
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "encoding": "utf-8"}
        with errors.open("wb") as log, processes.guarded(command, stderr=log, **pipes) as process:
            yield _Process(name, process, errors)
