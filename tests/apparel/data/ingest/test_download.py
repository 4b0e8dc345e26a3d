import hashlib
import http.server
import threading
from contextlib import contextmanager

import pytest

from apparel.data.ingest import download as module
from apparel.data.ingest.download import download
from apparel.errors import UserError
from apparel.utils import limits

CONTENT = b"".join(hashlib.sha256(str(number).encode()).digest() for number in range(10_000))
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves `CONTENT` as the path says; `asked` collects what was asked for."""

    protocol_version = "HTTP/1.0"

    def do_GET(self):
        wanted = self.headers.get("Range")
        self.server.asked.append((self.path, wanted))
        attempt = len(self.server.asked)
        if self.path == "/missing":
            self.send_error(404)
        elif self.path == "/busy" and attempt < 3:
            self.send_error(503)
        elif self.path.startswith("/redirect"):
            self.send_response(302)
            self.send_header("Location", {"/redirect": "/file", "/redirect-ftp": "ftp://127.0.0.1:9/x"}[self.path])
            self.end_headers()
        elif self.path == "/endless":
            self.send_response(200)
            self.end_headers()
            with pytest.raises(OSError):
                while True:
                    self.wfile.write(CONTENT)
        elif self.path == "/silent" and attempt == 1:
            self.send_response(200)
            self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            self.wfile.flush()
            self.server.ending.wait()
        else:
            self.give(wanted, attempt)

    def give(self, wanted, attempt):
        place = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and self.path != "/no-parts" else 0
        self.send_response(206 if place else 200)
        self.send_header("Content-Length", str(len(CONTENT) - place))
        self.send_header("ETag", f'"{attempt if self.path == "/changing" else 1}"')
        self.end_headers()
        broken = (self.path in ("/truncated", "/no-parts") and attempt < 3) or self.path == "/always-truncated"
        self.wfile.write(CONTENT[place : place + 100_000] if broken else CONTENT[place:])

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(module, "SECONDS_BETWEEN_ATTEMPTS", 0)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with serving() as server:
        yield server


@contextmanager
def serving():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked, server.ending = [], threading.Event()
    server.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.ending.set()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("path", ["/file", "/redirect", "/busy", "/truncated", "/no-parts", "/silent"])
def test_a_file_is_fetched_whole_whatever_the_server_does(server, tmp_path, monkeypatch, path):
    monkeypatch.setattr(module, "SECONDS_OF_SILENCE", 1)
    assert download(f"{server.address}{path}", tmp_path / "x", len(CONTENT), SHA256) == SHA256
    assert (tmp_path / "x").read_bytes() == CONTENT


def test_a_download_goes_on_where_it_broke_off(server, tmp_path):
    download(f"{server.address}/truncated", tmp_path / "x")
    assert [wanted for _, wanted in server.asked] == [None, "bytes=100000-", "bytes=200000-"]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/missing", "answers 404 Not Found; nothing was imported"),
        ("/always-truncated", "could not be fetched|is not the file"),
        ("/redirect-ftp", "could not be fetched: .*unknown url type: ftp|unknown url type"),
        ("/endless", "sends more than 1 MB"),
    ],
)
def test_what_cannot_be_fetched_is_named_with_the_reason(server, tmp_path, monkeypatch, path, message):
    monkeypatch.setattr(limits, "MAX_WEIGHTS_BYTES", 1_000_000)
    monkeypatch.setattr(module, "ATTEMPTS", 2)
    with pytest.raises(UserError, match=rf"http://127\.0\.0\.1:\d+{path} ({message})"):
        download(f"{server.address}{path}", tmp_path / "x", sha256=SHA256)


def test_a_file_that_announces_gigabytes_is_refused_before_it_is_fetched(server, tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "MAX_WEIGHTS_BYTES", len(CONTENT) - 1)
    with pytest.raises(UserError, match="sends more than"):
        download(f"{server.address}/file", tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == b""


@pytest.mark.parametrize(("size", "sha256"), [(None, "0" * 64), (5, None), (5, SHA256)])
def test_another_file_than_the_published_one_is_refused(server, tmp_path, size, sha256):
    with pytest.raises(
        UserError, match=f"is not the file that was published: it has 320,000 bytes and SHA-256 {SHA256}"
    ):
        download(f"{server.address}/file", tmp_path / "x", size, sha256)


@pytest.mark.parametrize("address", ["file:///etc/passwd", "ftp://127.0.0.1/x", "nothing"])
def test_only_http_is_fetched(tmp_path, address):
    with pytest.raises(UserError, match="is no address of http or https"):
        download(address, tmp_path / "x")


def test_a_server_that_is_away_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SECONDS_BETWEEN_ATTEMPTS", 0)
    with pytest.raises(UserError, match=r"http://127\.0\.0\.1:9/x could not be fetched: .*refused"):
        download("http://name:secret@127.0.0.1:9/x".replace("name:secret@", ""), tmp_path / "x")
