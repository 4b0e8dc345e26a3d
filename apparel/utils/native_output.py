"""Lines that native libraries log to standard error whatever their settings say, left out.

TensorFlow's converter logs before it reads `TF_CPP_MIN_LOG_LEVEL`, and TensorFlow Lite's logger has no level.
"""

import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager

NOISE = re.compile(
    rb"WARNING: All log messages before absl::InitializeLog\(\)|[IW]\d{4} \d\d:\d\d:\d+\.\d+ +\d+ \w+\.cc:\d+\]"
    rb"|INFO: (Created|Initialized) TensorFlow Lite|fully_quantize: "
)
"""Starts of these lines: information and warnings in the form of absl, which TensorFlow's C++ code logs by."""

STANDARD_ERROR = 2

_one_at_a_time = threading.RLock()


@contextmanager
def without_noise() -> Iterator[None]:
    """Runs a block of native code without the lines of `NOISE`; others follow at its end, also after an exception.

    What Python writes in the meantime is written at once. `TF_CPP_MIN_LOG_LEVEL=0` shows everything.
    """
    if os.environ.get("TF_CPP_MIN_LOG_LEVEL") == "0" or not _is_open(STANDARD_ERROR):
        yield
        return
    with _one_at_a_time, tempfile.TemporaryFile() as held:
        original, stderr = os.dup(STANDARD_ERROR), sys.stderr
        os.dup2(held.fileno(), STANDARD_ERROR)
        try:
            with open(original, "w", buffering=1, errors="replace", closefd=False) as sys.stderr:
                yield
        finally:
            sys.stderr = stderr
            os.dup2(original, STANDARD_ERROR)
            held.seek(0)
            for line in held:
                if not NOISE.match(line):
                    os.write(original, line)
            os.close(original)


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True
