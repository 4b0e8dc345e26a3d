"""The number of photos of a prediction run, for its progress bar, where it is known soon."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from apparel.analysis.predictions.photo_sources import PhotoSources, SourcePhoto


class _NotSoon(Exception):
    """Counting takes too long, or would read what can be read only once."""


class _Listing(PhotoSources):
    """Sources that are listed until a moment, of `time.monotonic`, and no photo of which is read."""

    def __init__(self, photos: PhotoSources, until: float) -> None:
        super().__init__(photos.sources, Path())
        self.output = photos.output
        self._until = until

    def check_time(self) -> None:
        """Raises `_NotSoon` after the moment."""
        if time.monotonic() > self._until:
            raise _NotSoon

    def _list(self, file: BinaryIO, folder: Path | str) -> Iterator[SourcePhoto]:
        if file is sys.stdin.buffer:
            raise _NotSoon
        return super()._list(file, folder)

    def _store(self, address: str, lists: bool) -> Iterator[SourcePhoto]:
        raise _NotSoon

    def _leave_out(self, name: str) -> None:
        self.check_time()


def count_photos(photos: PhotoSources, seconds: float) -> int | None:
    """The number of photos; None if counting takes more than these seconds, or the photos come from standard input or
    an object store. A few seconds are enough for all but very large folders and compressed archives."""
    listing = _Listing(photos, time.monotonic() + seconds)
    count = 0
    try:
        for _ in listing:
            count += 1
            listing.check_time()
    except _NotSoon:
        return None
    return count
