"""Memory that is kept is not requested again."""

import subprocess
import sys

import pytest

PAGES = """
import ctypes, resource, sys
from apparel.training import memory
if sys.argv[1] == "kept":
    memory.keep_freed_memory()
malloc, free = ctypes.CDLL(None).malloc, ctypes.CDLL(None).free
malloc.restype, free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
for _ in range(20):
    block = malloc(ctypes.c_size_t(64_000_000))
    ctypes.memset(ctypes.c_void_p(block), 1, 64_000_000)
    free(block)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="works with glibc only")
def test_pages_are_requested_once() -> None:
    faults = {}
    for kind in ("kept", "returned"):
        done = subprocess.run([sys.executable, "-c", PAGES, kind], capture_output=True, text=True, check=True)
        faults[kind] = int(done.stdout)
    assert faults["kept"] < faults["returned"] / 3
