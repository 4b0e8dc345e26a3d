"""Table of speeds: ours beside theirs, timed in turn, since on a busy machine only the ratio of the two is reliable."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tqdm import tqdm

from apparel.inference import speed

INSTRUCTION_SETS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile")
"""Instruction sets, as Linux names them, that decide how fast a network runs."""


Seconds = dict[str, list[float]]
"""Seconds of each round, by way."""


@dataclass(frozen=True)
class Row:
    """A line of the table: two ways of doing the same work.

    Attributes:
        what: what is measured.
        beside: what it is compared with.
        ours: seconds of each round.
        theirs: seconds of the other way in the same rounds.
        work: what both did, and where they differ.
        amount: units that each round handles; None shows seconds in place of rates.
        unit: of the amount, such as `photos`.
    """

    what: str
    beside: str
    ours: Sequence[float]
    theirs: Sequence[float]
    work: str
    amount: float | None = None
    unit: str = "photos"

    def ratio(self) -> str:
        """How many times as fast ours is: the median of the rounds, with the lowest and the highest."""
        ratios = [theirs / ours for ours, theirs in zip(self.ours, self.theirs, strict=True)]
        return f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"

    def cells(self) -> list[str]:
        """The line's cells, in the order of `table`'s columns."""
        return [
            self.what,
            self._shown(self.ours),
            f"{self.beside}: {self._shown(self.theirs)}",
            self.ratio(),
            self.work,
        ]

    def _shown(self, seconds: Sequence[float]) -> str:
        if self.amount is None:
            return f"{median(seconds):.3g} s"
        return f"{self.amount / median(seconds):,.4g} {self.unit}/s"


def time_in_turns(ways: Mapping[str, Callable[[], object]], rounds: int) -> tuple[Seconds, Seconds]:
    """Runs the ways A B A B ..., after a warm-up round that is not counted.

    Returns:
        Seconds of each way in each round, and the seconds that this process, with all its threads, took of the
        processor meanwhile: where all cores are busy, no overlap hides those.
    """
    seconds: Seconds = {name: [] for name in ways}
    processor: Seconds = {name: [] for name in ways}
    turns = [name for _ in range(1 + rounds) for name in ways]
    for name in tqdm(turns, desc="measuring", unit=" runs", leave=False, disable=None):
        start, busy = time.perf_counter(), time.process_time()
        ways[name]()
        seconds[name].append(time.perf_counter() - start)
        processor[name].append(time.process_time() - busy)
    return {name: times[1:] for name, times in seconds.items()}, {name: times[1:] for name, times in processor.items()}


def rows(seconds: Mapping[str, Sequence[float]], work: str, amount: float | None = None) -> list[Row]:
    """The first way beside each of the others; `seconds` by way, as `time_in_turns` returns them."""
    first, *others = seconds
    return [Row(first, other, seconds[first], seconds[other], work, amount) for other in others]


def table(measured: Sequence[Row]) -> str:
    """The rows as a table in Markdown, under the machine that they were measured on."""
    header = ["what", "ours", "theirs", "times as fast: median (lowest to highest)", "the work both did"]
    lines = [header, *(row.cells() for row in measured)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    lines.insert(1, ["-" * width for width in widths])
    shown = (
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    )
    return "\n".join([machine(), "", *shown])


def machine() -> str:
    """One line on the processor, its instruction sets, and how busy it is."""
    listed = Path("/proc/cpuinfo")
    flags = listed.read_text(encoding="utf-8", errors="replace").split() if listed.exists() else []
    sets = [name if name in flags else f"no {name}" for name in INSTRUCTION_SETS]
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return f"{speed.processor()} ({', '.join(sets)}){load}"
