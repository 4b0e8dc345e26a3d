"""Memory that a training keeps for its next step."""

import ctypes
import sys

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX, _ARENA_MAX = -1, -2, -4, -8
"""Parameters of `mallopt`, as glibc's malloc.h has them."""


def keep() -> None:
    """Tells glibc to keep what is freed; does nothing where there is another C library.

    Each step frees its feature maps and asks for the same again. Handed back to the system in between, every page of
    them has to be found and zeroed anew; `python -m benchmarks train` shows what that costs.
    """
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt:
            mallopt(_TRIM_THRESHOLD, 2**31 - 1)  # never hand memory back,
            mallopt(_TOP_PAD, 2**28)  # ask for it in large parts,
            mallopt(_MMAP_MAX, 0)  # all of it from the heap,
            mallopt(_ARENA_MAX, 1)  # and from one heap: others end at 64 MB
