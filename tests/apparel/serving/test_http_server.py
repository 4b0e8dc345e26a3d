import json
import socket
import threading

import pytest

from apparel.serving.limits import Limits
from tests.support import servers
from tests.support.running_server import models_of, png, running
from tests.support.stand_in_network import StandInNetwork, photo

QUICK = Limits(head_seconds=1, receive_seconds=1, connections=4)


def talk(port: int, *pieces: bytes, until_closed: float = 30) -> bytes:
    """What a server answers to bytes, until it closes the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=until_closed) as connection:
        for piece in pieces:
            connection.sendall(piece)
        answer = b""
        try:
            while received := connection.recv(2**16):
                answer += received
        except ConnectionResetError:
            pass
        return answer


@pytest.fixture(scope="module")
def server():
    with running(limits=QUICK) as server:
        yield server


def test_a_client_that_sends_nothing_is_left(server):
    assert talk(server.port) == b""


def test_a_header_that_never_ends_is_left(server):
    assert talk(server.port, b"GET /model HTTP/1.1\r\nHost: localhost\r\nX:") == b""


def test_a_body_that_never_ends_is_answered_and_left(server):
    head = b"POST /detect HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
    answer = talk(server.port, head)
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"more than 1 seconds" in answer


@pytest.mark.parametrize(
    "pieces",
    [
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"POST /detect HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"POST /detect HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 100_000,
    ],
)
def test_what_is_no_http_is_answered_as_json(server, pieces):
    head, _, body = talk(server.port, pieces).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 4")
    assert set(json.loads(body)) == {"error"}
    assert server.get("/healthz").status == 200


def test_too_many_connections(server):
    idle = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(QUICK.connections)]
    try:
        servers.wait_for(lambda: len(server.server.server_state.connections) == len(idle))
        answer = talk(server.port)
        assert answer.startswith(b"HTTP/1.1 503")
        assert b"retry-after: 2" in answer
    finally:
        for connection in idle:
            connection.close()
    servers.wait_for(lambda: server.get("/healthz").status == 200)


def test_a_client_that_does_not_read_is_left():
    with running(limits=QUICK) as server:
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", server.port))
        connection.settimeout(10)
        with connection, pytest.raises(OSError):
            while True:
                connection.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 100)
        servers.wait_for(lambda: not server.server.server_state.connections)


@pytest.mark.parametrize("head", ["Content-Length: 3000", "Transfer-Encoding: chunked"])
def test_a_large_body_is_refused_before_its_end(head):
    with running(limits=Limits(body_bytes=2000)) as server:
        body = b"{" * 3000 if "Length" in head else b"bb8\r\n" + b"{" * 3000 + b"\r\n"
        request = f"POST /detect HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{head}\r\n\r\n"
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
            connection.sendall(request.encode() + (body[:0] if "Length" in head else body))  # its end is never sent
            assert connection.recv(2**16).startswith(b"HTTP/1.1 413")


def test_requests_under_way_are_answered_before_the_end():
    network = StandInNetwork()
    answers = []
    with running(models_of(network)) as server:
        network.go.clear()
        thread = threading.Thread(target=lambda: answers.append(server.detect(("a.png", png(photo())))))
        thread.start()
        servers.wait_for(lambda: b"apparel_photos_waiting 1.0" in server.get("/metrics").body)
        server.server.should_exit = True
        servers.wait_for(lambda: not servers.answers(f"http://127.0.0.1:{server.server.config.port}/healthz"))
        network.go.set()
        thread.join(60)
    assert [answer.status for answer in answers] == [200]
