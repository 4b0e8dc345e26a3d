"""The image's steps, followed without a daemon: what it copies, in a fresh folder, runs as it says."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import pytest

from apparel.boxes import CORNERS
from tests.support import servers, tiny_detector
from tests.support.repository import ROOT
from tests.support.running_server import RunningServer, png
from tests.support.stand_in_network import photo


def steps() -> list[tuple[str, str]]:
    """Instruction and its arguments of each step of the Dockerfile."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    return [(name, rest.strip()) for name, _, rest in (line.partition(" ") for line in lines if line.strip())]


def only(instruction: str) -> str:
    """The arguments of an instruction that is there once."""
    (arguments,) = [rest for name, rest in steps() if name == instruction]
    return arguments


def copied() -> list[tuple[str, str]]:
    """Source and target of what is copied."""
    return [tuple(rest.split()) for name, rest in steps() if name == "COPY"]


@contextmanager
def container(folder: Path, model: Path) -> Iterator[tuple[subprocess.Popen, int]]:
    """What the image runs, in a folder with what it copies; a free port in place of 8000."""
    for source, target in copied():
        copy = shutil.copytree if (ROOT / source).is_dir() else shutil.copy
        copy(ROOT / source, folder / target / ("" if (ROOT / source).is_dir() else source))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert json.loads(only("CMD")) == ["--model", "/model"]
    command = [*json.loads(only("ENTRYPOINT")), "--model", str(model)]
    command = [
        {"python": sys.executable, "8000": str(port), "0.0.0.0": "127.0.0.1"}.get(word, word) for word in command
    ]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "APPAREL"))}
    process = subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE)
    try:
        servers.wait_for(lambda: process.poll() is not None or servers.answers(f"http://127.0.0.1:{port}/healthz"))
        assert process.poll() is None, process.stderr.read().decode()
        yield process, port
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


class Container(RunningServer):
    """A server on a port."""

    port = 0

    def __init__(self, port: int):
        self.port = port


def test_base_and_packages_are_pinned():
    assert re.fullmatch(r"python:3\.11\.\d+-slim-\w+(@sha256:[0-9a-f]{64})?", only("FROM"))
    installs = [rest for name, rest in steps() if name == "RUN" and "pip install" in rest]
    assert installs == ["pip install --require-hashes --requirement requirements.txt"]


def test_it_does_not_run_as_root():
    assert only("USER").isdecimal()
    assert int(only("USER")) > 0
    names = [name for name, _ in steps()]
    assert names.index("USER") < names.index("ENTRYPOINT")


def test_only_what_is_copied_goes_to_the_builder():
    rules = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in rules
    assert {source for source, _ in copied()} == {rule[1:] for rule in rules if rule.startswith("!")}
    assert all(PurePosixPath(target).parts[:1] != ("..",) for _, target in copied())


def test_the_server_lives_before_it_has_a_model_and_ends_when_told(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "pipeline.config").touch()
    (tmp_path / "app").mkdir()
    with container(tmp_path / "app", tmp_path / "model") as (process, port):
        health = json.loads(only("HEALTHCHECK").partition("CMD ")[2])
        health = [sys.executable, *(word.replace(":8000/", f":{port}/") for word in health[1:])]
        assert subprocess.run(health, timeout=60).returncode == 0
        process.send_signal(signal.SIGTERM)
        process.wait(120)
    assert subprocess.run(health, capture_output=True).returncode != 0


@pytest.mark.slow
def test_the_server_gives_the_boxes_of_the_predictor(tmp_path):
    from apparel.inference import networks, predictor
    from apparel.models.detector import Detector

    Detector(tiny_detector.config(tiny_detector.train_params()), tiny_detector.CLASSES).save(tmp_path / "model")
    (tmp_path / "app").mkdir()
    with container(tmp_path / "app", tmp_path / "model") as (process, port):
        server = Container(port)
        servers.wait_for(lambda: process.poll() is not None or server.get("/readyz").status == 200)
        found = server.detect(("a.png", png(photo())), query="?lowest_score=0").json["photos"][0]["detections"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == 0
    expected = predictor.detect(networks.load(tmp_path / "model"), [photo()])
    assert [detection["class"] for detection in found] == list(expected["class"])
    assert [detection["score"] for detection in found] == pytest.approx(list(expected["score"]), abs=1e-5)
    for corner in CORNERS:
        assert [detection["box"][corner] for detection in found] == pytest.approx(list(expected[corner]), abs=1e-3)
