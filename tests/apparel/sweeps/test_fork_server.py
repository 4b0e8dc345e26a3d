import json
import os
import subprocess
import sys

import pytest

from apparel.sweeps.fork_server import ForkedStage, Request

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux only")

COMMAND = "python -m stages.train"


def waiting_stage() -> ForkedStage:
    """A child that ends with the length of what it is told as its status."""
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            content = pipe.read()
        os._exit(len(json.loads(content)) if content else 0)
    os.close(reading)
    return ForkedStage(pid, writing, COMMAND)


def test_only_the_command_of_the_stage_is_the_forked_process() -> None:
    stage = waiting_stage()
    other = stage.popen([sys.executable, "-c", "pass"], cwd=".", env=dict(os.environ))
    assert isinstance(other, subprocess.Popen)
    assert other.wait() == 0
    assert stage.popen(["/bin/sh", "-c", COMMAND], cwd=".", env={}) is stage
    stage.communicate()
    assert stage.returncode == 2  # folder and environment


def test_a_stage_that_never_begins_ends() -> None:
    stage = waiting_stage()
    stage.close()
    assert stage.returncode == 0
    stage.close()  # once more changes nothing


def test_a_request_is_one_line() -> None:
    line = Request(["repro", "train"], {"A": "one\ntwo"}, "log.txt").to_json_line()
    assert line.count(b"\n") == 1
    assert Request(**json.loads(line)) == Request(["repro", "train"], {"A": "one\ntwo"}, "log.txt")
