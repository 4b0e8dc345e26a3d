"""Timing of several ways of doing the same, in turn: on a busy machine only the ratio of their rates is reliable."""

import time
from collections.abc import Callable
from statistics import median

from tqdm import tqdm


def time_in_turns(ways: dict[str, Callable[[], None]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each way in each round, run A B A B ..., after a warm-up round that is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    turns = [name for _ in range(1 + rounds) for name in ways]
    for name in tqdm(turns, desc="measuring", unit=" runs", leave=False, disable=None):
        start = time.perf_counter()
        ways[name]()
        seconds[name].append(time.perf_counter() - start)
    return {name: times[1:] for name, times in seconds.items()}


def rates_table(title: str, seconds: dict[str, list[float]], amount: float, unit: str) -> str:
    """A table of the median rate of each way, and how many times as fast the first way is as each other one.

    The ratio is the median of the ratios in the same round, with the lowest and the highest.

    Args:
        title: first line.
        seconds: by way, the seconds of each round.
        amount: number of units that one run handles.
        unit: such as `photos`.
    """
    first, *others = seconds
    width = max(map(len, seconds))
    lines = [title]
    for name, times in seconds.items():
        line = f"  {name:<{width}}  {amount / median(times):9,.0f} {unit}/s"
        if name in others:
            ratios = [other_time / first_time for first_time, other_time in zip(seconds[first], times, strict=True)]
            line += f"   {first} is {median(ratios):.2f} times as fast ({min(ratios):.2f} to {max(ratios):.2f})"
        lines.append(line)
    return "\n".join(lines)
