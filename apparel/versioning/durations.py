"""Durations of stages in this clone: how long each took the last time, for what a run says before it starts."""

import json
from contextlib import suppress

from apparel import paths
from apparel.utils import files

FILE = paths.LOCAL / "durations.json"
"""Seconds by name of stage."""


def record(name: str, seconds: float) -> None:
    """Records how long a stage took; what cannot be written is not recorded, since no result depends on it."""
    with suppress(OSError):
        files.write_json(FILE, read() | {name: round(seconds, 1)})


def read() -> dict[str, float]:
    """Seconds by name of stage; empty where nothing is recorded or the file is damaged."""
    try:
        return {name: float(seconds) for name, seconds in json.loads(FILE.read_text(encoding="utf-8")).items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}
