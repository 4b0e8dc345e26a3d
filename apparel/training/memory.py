"""Memory allocation of a training: what a step frees is kept for the next one."""

import ctypes
import sys

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX, _ARENA_MAX = -1, -2, -4, -8
"""Parameters of `mallopt`, as glibc's malloc.h has them."""


def keep_freed_memory() -> None:
    """Makes glibc keep the memory that is freed; does nothing with another C library.

    Each step frees its feature maps and allocates the same again. Memory returned to the system in between has to be
    mapped and zeroed again, page by page; `python -m benchmarks train` measures what that costs.
    """
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt:
            mallopt(_TRIM_THRESHOLD, 2**31 - 1)  # never return memory,
            mallopt(_TOP_PAD, 2**28)  # request it in large parts,
            mallopt(_MMAP_MAX, 0)  # all of it from the heap,
            mallopt(_ARENA_MAX, 1)  # and from one heap: others end at 64 MB
