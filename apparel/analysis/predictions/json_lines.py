"""Detections as JSON lines, one object a photo, as the server answers for one."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from apparel.boxes import CORNERS
from apparel.inference.writer import WrittenDetection

BLOCK = 65_536
"""Bytes that are read at once in search of the last whole line."""


class JsonLines:
    """Writes a line a photo to one file; an `apparel.inference.writer.Writer`."""

    def __init__(self, path: Path) -> None:
        """Opens the file, to go on where a run ended; a line that was cut off is removed."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        self._file = path.open("r+b", buffering=0)  # without a buffer: a line is in the file once `write` returns
        self._file.truncate(_end_of_lines(self._file))
        self._repeats = self._file.seek(0, os.SEEK_END) > 0

    def write(self, name: str, photo: Image.Image, detections: Sequence[WrittenDetection]) -> None:
        """Appends a photo's line; the first photo after a run went on replaces its line and those that follow it."""
        fields = {"width": photo.width, "height": photo.height, "detections": _objects(detections), "problem": None}
        start = f'{{"name": {json.dumps(name)}, '
        if self._repeats:
            self._file.truncate(self._position(start.encode()))
            self._repeats = False
        self._file.seek(0, os.SEEK_END)
        line = memoryview(f"{start}{json.dumps(fields)[1:]}\n".encode())
        while line:
            line = line[self._file.write(line) :]

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def _position(self, start: bytes) -> int:
        """Where the line begins that starts so; the end of the file if there is none."""
        position = 0
        with Path(self._file.name).open("rb") as lines:
            for line in lines:
                if line.startswith(start):
                    break
                position += len(line)
        return position


def _objects(detections: Sequence[WrittenDetection]) -> list[dict[str, Any]]:
    return [
        {
            "class": detection.name,
            "score": detection.score,
            "box": dict(zip(CORNERS, detection.corners, strict=True)),
            "threshold": detection.threshold,
            "shown": detection.is_shown,
        }
        for detection in detections
    ]


def _end_of_lines(file: Any) -> int:
    """The position after the last line break, 0 without any."""
    end = file.seek(0, os.SEEK_END)
    while end > 0:
        start = max(0, end - BLOCK)
        file.seek(start)
        found = file.read(end - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0
