"""Names in order, of any number, in little memory: a merge sort with temporary files."""

import heapq
import json
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import islice

NAMES_IN_MEMORY = 10_000
"""Names that are sorted at once, some 2 MB; more are sorted in parts on the disk."""


def sorted_on_disk(names: Iterable[str]) -> Iterator[str]:
    """The names in order, of which no more than `NAMES_IN_MEMORY` are held: a merge sort with temporary files."""
    names = iter(names)
    first = sorted(islice(names, NAMES_IN_MEMORY))
    parts = [iter(first)]
    files = ExitStack()
    part = first if len(first) == NAMES_IN_MEMORY else []
    while part := sorted(islice(names, NAMES_IN_MEMORY)) if part else []:
        file = files.enter_context(tempfile.TemporaryFile("w+", encoding="ascii"))  # noqa: SIM115 - closed at the end
        file.writelines(f"{json.dumps(name)}\n" for name in part)
        file.seek(0)
        parts.append(map(json.loads, file))
    return _until_closed(heapq.merge(*parts), files)


def _until_closed(names: Iterator[str], files: ExitStack) -> Iterator[str]:
    with files:
        yield from names
