"""Memory that is kept is not asked for anew."""

import subprocess
import sys

import pytest

PAGES = """
import ctypes, resource, sys
from apparel.training import memory
if sys.argv[1] == "kept":
    memory.keep()
malloc, free = ctypes.CDLL(None).malloc, ctypes.CDLL(None).free
malloc.restype, free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
for _ in range(20):
    block = malloc(ctypes.c_size_t(64_000_000))
    ctypes.memset(ctypes.c_void_p(block), 1, 64_000_000)
    free(block)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc is told")
def test_pages_are_asked_for_once() -> None:
    faults = {}
    for kind in ("kept", "handed back"):
        done = subprocess.run([sys.executable, "-c", PAGES, kind], capture_output=True, text=True, check=True)
        faults[kind] = int(done.stdout)
    assert faults["kept"] < faults["handed back"] / 3
