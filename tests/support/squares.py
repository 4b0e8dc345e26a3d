"""Work for Beam's workers in tests: squares of numbers, slowly, noting in a file which shards were done."""

import os
import time
from collections.abc import Sequence
from pathlib import Path

from apparel.errors import UserError
from apparel.utils import beam

LOG = Path("done.txt")
"""A line for each shard that was done: the worker's process, and the first number."""


SECONDS = "SECONDS_A_NUMBER"
"""Environment variable: how long a number takes. No part of the work, or another speed would be other shards."""


def square(numbers: Sequence[int]) -> list[int]:
    """The squares, after so many seconds for each number."""
    time.sleep(float(os.environ.get(SECONDS, "0")) * len(numbers))
    with LOG.open("a", encoding="utf-8") as log:
        log.write(f"{os.getpid()} {numbers[0]}\n")
    if -1 in numbers:
        raise UserError("-1 is no photo")
    return [number**2 for number in numbers]


def squares(numbers: Sequence[int], states: Sequence[int] = (), first: int = 0) -> list[int]:
    """By Beam, ten numbers a shard; numbers in `states` are as files that changed."""
    beam.ITEMS_A_SHARD = 10
    return list(beam.map_items(square, numbers, "squares", lambda number: number in states, first))


def done() -> list[tuple[int, int]]:
    """The lines of the log."""
    lines = LOG.read_text(encoding="utf-8").splitlines() if LOG.exists() else []
    return [tuple(map(int, line.split())) for line in lines]


if __name__ == "__main__":
    from apparel import errors
    from tests.support import squares as this  # workers find its functions under this name

    errors.run(lambda: print(sum(this.squares(range(400)))))
