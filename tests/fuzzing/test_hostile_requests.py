"""Seeded malformed requests: the server answers each with its status and a reason, stays up, and its memory flat."""

import base64
import json
import random
import socket
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator

import psutil
import pytest

from tests.support import servers
from tests.support.repository import ROOT
from tests.support.running_server import BOUNDARY, FORM, Answer, RunningServer, form, png
from tests.support.stand_in_network import photo

SERVE = """
import sys
from pathlib import Path
from apparel.serving import run
from apparel.serving.limits import Limits
from apparel.serving.models import Models
from tests.support.stand_in_network import StandInNetwork

models = Models("tests", lambda name: Path(__file__), lambda path: [StandInNetwork()])
limits = Limits(body_bytes=2**20, head_seconds=2, receive_seconds=4)
run.serve(models, "127.0.0.1", int(sys.argv[1]), 2, limits=limits)
"""

LARGEST = 2**20
"""Bytes of a body that the server takes."""

PHOTO = png(photo())

GROWTH = 64 * 2**20
"""Bytes that the server's memory may grow by after its first requests: some photos under way, and their arrays."""


class Remote(RunningServer):
    """A server in a process of its own."""

    port = 0

    def __init__(self, port: int, process: subprocess.Popen):
        self.port, self.process = port, process

    def memory(self) -> int:
        return psutil.Process(self.process.pid).memory_info().rss


@pytest.fixture
def server(tmp_path) -> Iterator[Remote]:
    script = tmp_path / "serve.py"
    script.write_text(SERVE, encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with (tmp_path / "log").open("w+") as log:
        process = subprocess.Popen([sys.executable, script, str(port)], env={"PYTHONPATH": str(ROOT)}, stderr=log)
        try:
            servers.wait_for(lambda: process.poll() is not None or servers.answers(f"http://127.0.0.1:{port}/readyz"))
            yield Remote(port, process)
            log.seek(0)
            assert "Traceback" not in log.read()
        finally:
            process.kill()
            process.wait()


def bomb(width: int, height: int) -> bytes:
    """A PNG that says it has so many pixels, all black, and takes a thousandth of that."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compress(bytes(min(height, 2000) * (width + 1)), 9)
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


BOMBS = [bomb(60_000, 60_000), bomb(8_000, 12_000), bomb(4_000, 2_000), bomb(2**31 - 1, 1)]


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Cut off, or with some bytes changed, left out or doubled."""
    data = bytearray(data)
    for _ in range(chance.randint(1, 8)):
        start = chance.randrange(len(data) or 1)
        match chance.randrange(4):
            case 0:
                del data[start:]
            case 1:
                data[start : start + 1] = chance.randbytes(chance.randint(1, 4))
            case 2:
                del data[start : start + chance.randint(1, 50)]
            case 3:
                data[start:start] = data[start : start + chance.randint(1, 50)]
    return bytes(data)


def entry(chance: random.Random):
    """An entry of the JSON, mostly wrong."""
    image = base64.b64encode(chance.choice([PHOTO, mutated(PHOTO, chance), chance.choice(BOMBS), b""])).decode()
    wrong = [None, 1, [], {}, image, {"image": 3}, {"image": image[:-1]}, {"image": "é" + image}, {"image": [image]}]
    return chance.choice([*wrong, {"name": chance.choice([1, "", "../a", "\ud800", "a" * 9999]), "image": image}])


def body(chance: random.Random) -> tuple[bytes, str]:
    """A malformed body and its content type."""
    match chance.randrange(6):
        case 0:
            return mutated(form([("a.png", PHOTO), ("b.png", PHOTO)]), chance), FORM
        case 1:
            return form([("a.png", mutated(PHOTO, chance)) for _ in range(chance.randint(1, 40))]), FORM
        case 2:
            return form([("a.png", chance.choice(BOMBS))]), FORM
        case 3:
            content = {chance.choice(["photos", "photo"]): [entry(chance) for _ in range(chance.randint(0, 40))]}
            return json.dumps(content).encode(), "application/json"
        case 4:
            return mutated(json.dumps({"photos": [entry(chance)]}).encode(), chance), "application/json"
        case _:
            types = [
                "",
                "text/plain",
                "multipart/form-data",
                "multipart/form-data; boundary=",
                FORM,
                "application/json",
            ]
            return chance.randbytes(chance.randint(0, 3000)), chance.choice(types)


def raw(chance: random.Random, content: bytes, kind: str) -> bytes:
    """The bytes of a request, sometimes with headers that are wrong."""
    path = chance.choice(
        ["/detect", "/detect?lowest_score=x", "/detect?" + "a" * 5000, "/%00", "/..%2f", "*", "/detect"]
    )
    length = chance.choice([len(content), len(content), len(content), 0, -1, 10**12, 2**70])
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"
    request = head.encode() + content
    return mutated(request, chance) if chance.random() < 0.3 else request


def send_raw(port: int, request: bytes) -> bytes:
    """The first bytes of the answer to bytes after which nothing more comes, if there is one."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        try:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            return connection.recv(2**16)
        except OSError:  # closed before all was sent, or all of the answer read
            return b""


def slow_senders(port: int, chance: random.Random) -> list[socket.socket]:
    """Connections that stop within a header or a body, and stay open."""
    connections = [socket.create_connection(("127.0.0.1", port)) for _ in range(5)]
    for connection in connections:
        request = raw(chance, form([("a.png", PHOTO)]), FORM)
        connection.sendall(request[: chance.randint(0, len(request))])
    return connections


def check(answer: Answer) -> None:
    """A refusal with a reason, or a problem of each photo that is wrong."""
    assert answer.status in (200, 400, 408, 413, 415, 422), answer
    if answer.status == 200:
        assert all(photo["problem"] is None or photo["problem"] for photo in answer.json["photos"])
    else:
        assert list(answer.json) == ["error"]
        assert answer.json["error"]
    assert b"Traceback" not in answer.body


@pytest.mark.parametrize("requests", [200, pytest.param(10_000, marks=pytest.mark.slow)])
def test_malformed_requests_leave_the_server_up_and_its_memory_flat(server, requests):
    chance = random.Random(requests)
    slow: list[socket.socket] = []
    memory = 0
    for number in range(requests):
        content, kind = body(chance)
        if number % 3:
            try:
                check(server.ask("POST", "/detect", content, Content_Type=kind))
            except OSError:  # a large body is answered before it is sent, and on a busy machine its connection ended
                assert len(content) > LARGEST
        else:
            answer = send_raw(server.port, raw(chance, content, kind))
            assert not answer or answer.startswith((b"HTTP/1.1 2", b"HTTP/1.1 4")), answer
        if number % 200 == 50:
            slow = slow[-10:] + slow_senders(server.port, chance)
        if number == min(1000, requests // 2):
            memory = server.memory()
    for connection in slow:
        connection.close()
    assert server.memory() < memory + GROWTH
    answer = server.detect(("a.png", PHOTO))
    assert answer.status == 200
    assert answer.json["photos"][0]["detections"][0]["class"] == "bright"


def test_the_bombs_are_what_they_say():
    assert len(BOMBS[1]) < 100_000
    assert BOUNDARY in FORM
