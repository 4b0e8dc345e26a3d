"""A password in a git address reaches the server, and nobody else."""

import base64
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psutil
import pytest

from apparel.data.ingest import git_source, sources
from apparel.data.ingest.git_credentials import split_credentials
from apparel.errors import UserError


class Locked(BaseHTTPRequestHandler):
    """Asks for a password, keeps what it gets and what the processes of this machine show, and has no repository."""

    seen: list[tuple[str, bool]] = []  # noqa: RUF012 - of the one test

    def do_GET(self):
        given = self.headers.get("Authorization", "")
        if given:
            shown = any(
                "w0rd" in part for process in psutil.process_iter(["cmdline"]) for part in process.info["cmdline"] or []
            )
            self.seen.append((base64.b64decode(given.removeprefix("Basic ")).decode(), shown))
        self.send_response(404 if given else 401)
        self.send_header("WWW-Authenticate", 'Basic realm="git"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def test_git_sends_the_password_and_shows_it_nowhere(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(git_source, "PROTOCOLS", "http")
    with ThreadingHTTPServer(("127.0.0.1", 0), Locked) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"127.0.0.1:{server.server_port}/shop"
        with pytest.raises(UserError, match=f"git could not clone http://{address}; see") as error:
            sources.open_source(f"http://me:p4ss%25@w0rd@{address}", None, (), tmp_path / "work")
        server.shutdown()
    assert Locked.seen and set(Locked.seen) == {("me:p4ss%@w0rd", False)}
    assert "w0rd" not in str(error.value) + capfd.readouterr().err


def test_what_git_is_given(monkeypatch):
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    address, variables = split_credentials("https://token@example.com:8443/a@b.git")
    assert address == "https://example.com:8443/a@b.git"
    assert variables["GIT_CONFIG_COUNT"] == "3" and "GIT_CONFIG_KEY_0" not in variables
    helper = variables["GIT_CONFIG_VALUE_2"].removeprefix("!")
    said = subprocess.run(["sh", "-c", f"{helper} get"], env=variables, capture_output=True, text=True, check=True)
    assert said.stdout == "username=token\npassword=\n"


@pytest.mark.parametrize("address", ["git@host:a/b", "/home/me@work/shop", "https://host:8443/a@b", "file:///a@b"])
def test_other_addresses_stay(address):
    assert split_credentials(address) == (address, {})


def test_a_password_that_git_takes_for_a_path_is_refused():
    with pytest.raises(UserError, match="%2F") as error:
        split_credentials("https://me:sec/ret@host/shop")
    assert "ret" not in str(error.value)
