"""A worker process ends with the process that started it."""

import subprocess
import sys
import time

import psutil

from tests.support.repository import ROOT

PARENT = """
import os, subprocess, sys
code = f"from apparel.utils import beam_worker; beam_worker._end_with({os.getpid()})"
print(subprocess.Popen([sys.executable, "-c", code]).pid, flush=True)
sys.stdin.read()
"""


def test_a_worker_ends_when_its_parent_is_killed():
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    worker = psutil.Process(int(parent.stdout.readline()))
    time.sleep(0.5)
    assert worker.is_running()
    parent.kill()
    parent.communicate()
    _, alive = psutil.wait_procs([worker], timeout=30)
    assert not alive
