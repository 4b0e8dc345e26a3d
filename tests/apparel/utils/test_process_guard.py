import os
import subprocess
import sys
from contextlib import suppress

import psutil
import pytest

from apparel.utils import processes
from tests.support.repository import ROOT
from tests.support.servers import wait_for

SLEEP = "import subprocess, sys, time; {}time.sleep(600)"
NESTED = SLEEP.format("subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); ")
PARENT = """
import sys
from apparel.utils import processes
with processes.guarded([sys.executable, "-c", sys.argv[1]]) as process:
    process.wait()
"""


@pytest.mark.parametrize("status", [0, 7])
def test_the_status_is_that_of_the_command(status):
    with processes.guarded([sys.executable, "-c", f"raise SystemExit({status})"]) as process:
        assert process.wait() == status


def test_what_a_command_that_has_ended_did_not_read_hides_no_error():
    command = [sys.executable, "-c", ""]
    with pytest.raises(ZeroDivisionError), processes.guarded(command, stdin=subprocess.PIPE, text=True) as process:
        process.wait()
        with suppress(BrokenPipeError):
            print("words", file=process.stdin, flush=True)
        raise ZeroDivisionError


def test_the_command_ends_with_all_that_it_started_when_the_block_is_left():
    with pytest.raises(ZeroDivisionError), processes.guarded([sys.executable, "-c", NESTED]) as process:
        wait_for(lambda: len(psutil.Process(process.pid).children(recursive=True)) >= 2)
        family = psutil.Process(process.pid).children(recursive=True)
        raise ZeroDivisionError
    assert not psutil.wait_procs(family, timeout=60)[1]


def test_the_command_ends_with_all_that_it_started_when_the_parent_is_killed():
    with subprocess.Popen([sys.executable, "-c", PARENT, NESTED], cwd=ROOT, env=os.environ) as parent:
        wait_for(lambda: len(psutil.Process(parent.pid).children(recursive=True)) >= 3)
        family = psutil.Process(parent.pid).children(recursive=True)
        parent.kill()
    assert not psutil.wait_procs(family, timeout=60)[1]
