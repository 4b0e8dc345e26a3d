import argparse
import socket

import pytest

from apparel.analysis import model_sources
from apparel.cli import serve
from apparel.errors import UserError
from apparel.serving import run
from apparel.serving.limits import Limits

TOKEN = "0123456789abcdef"


@pytest.fixture
def served(tmp_path, monkeypatch):
    """What the server is started with."""
    calls = []
    monkeypatch.delenv(serve.TOKEN_VARIABLE, raising=False)
    monkeypatch.setattr(model_sources, "resolve", lambda name: tmp_path / name)
    monkeypatch.setattr(run, "serve", lambda models, host, port, threads, **options: calls.append((host, options)))
    return calls


def started(*options: str) -> None:
    parser = argparse.ArgumentParser()
    serve.add_arguments(parser)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    serve.main(parser.parse_args(["--port", str(port), *options]))


def test_only_this_machine_without_a_token_by_default(served, capsys):
    started()
    assert served == [("127.0.0.1", {"token": None, "hosts": [], "limits": Limits(), "poll_seconds": 10})]
    assert "token" not in capsys.readouterr().out


def test_elsewhere_a_token_is_made_and_printed_once(served, capsys):
    started("--host", "0.0.0.0")
    token = served[0][1]["token"]
    assert len(token) >= 32
    assert capsys.readouterr().out.count(token) == 1


@pytest.mark.parametrize("host", ["0.0.0.0", "127.0.0.1"])
def test_the_token_of_the_environment(served, monkeypatch, host):
    monkeypatch.setenv(serve.TOKEN_VARIABLE, TOKEN)
    started("--host", host)
    assert served[0][1]["token"] == TOKEN


@pytest.mark.parametrize("token", ["short", "with space 0123456789", "ä" * 20])
def test_a_token_that_is_none(served, monkeypatch, token):
    monkeypatch.setenv(serve.TOKEN_VARIABLE, token)
    with pytest.raises(UserError, match="16 to 200"):
        started()


def test_limits_and_hosts(served):
    started("--limit", "photos=8", "--limit", "queue=99", "--allow-host", "a.example.org")
    assert served[0][1]["limits"] == Limits(photos=8, queue=99)
    assert served[0][1]["hosts"] == ["a.example.org"]


@pytest.mark.parametrize("limit", ["photo=8", "photos", "photos=0", "photos=-1", "photos=x", "photos=1.5"])
def test_limits_that_are_none(served, limit):
    with pytest.raises(UserError, match="photos"):
        started("--limit", limit)


def test_a_port_in_use(served):
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(UserError, match="choose another port"):
        started("--port", str(taken.getsockname()[1]))
    assert not served


def test_a_model_that_does_not_exist(served, monkeypatch):
    def resolve(name):
        raise UserError(f"no {name}")

    monkeypatch.setattr(model_sources, "resolve", resolve)
    with pytest.raises(UserError, match="no champion"):
        started("--model", "champion")
    assert not served
