"""`apparel sync`: lists, then sends what MLflow's server did not take."""

import argparse
import shutil

import pytest

from apparel.cli import sync
from apparel.errors import UserError
from apparel.tracking.outbox import OUTBOXES, find_outbox
from apparel.tracking.server import LOCAL_SERVER, connect
from tests.support.outboxes import check_whole, fill, new_outbox, runs_of


@pytest.fixture(autouse=True)
def here(mlflow_folder, monkeypatch):
    monkeypatch.chdir(mlflow_folder)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    shutil.rmtree(OUTBOXES, ignore_errors=True)


def apparel_sync(*arguments):
    parser = argparse.ArgumentParser()
    sync.add_arguments(parser)
    sync.main(parser.parse_args(arguments))


@pytest.fixture
def client(here):
    return connect(LOCAL_SERVER)


@pytest.fixture
def outbox(here):
    return new_outbox()


def test_sync_lists_what_it_would_send_then_sends_it(client, outbox, capsys):
    fill(outbox)
    apparel_sync("--dry-run")
    assert "would send 56 entries and 1 files of run 'a run'" in capsys.readouterr().out
    assert len(list(outbox.unsent_lines())) == 56
    apparel_sync()
    check_whole(client, outbox)
    assert f"run {outbox.sent()[0]}" in capsys.readouterr().out
    apparel_sync()
    assert "Nothing waits" in capsys.readouterr().out


def test_sync_fails_while_something_waits_and_sends_the_rest(client, outbox, capsys):
    away = new_outbox(server="http://user:secret@127.0.0.1:1", start=1)
    away.append("tags", {"a": "b"})
    fill(outbox)
    with pytest.raises(UserError, match="1 run waits still"):
        apparel_sync()
    check_whole(client, outbox)
    printed = capsys.readouterr().out
    assert "not sent: MLflow at http://127.0.0.1:1" in printed
    assert "secret" not in printed


def test_sync_leaves_alone_an_outbox_that_another_process_sends(client, outbox, capsys):
    fill(outbox)
    with find_outbox(outbox.id).lock, pytest.raises(UserError, match="1 run waits still"):
        apparel_sync()
    assert "another process sends this run now" in capsys.readouterr().out
    assert not runs_of(client, outbox)


def test_sync_sends_only_the_runs_that_are_named(client, outbox, capsys):
    fill(outbox)
    other = new_outbox(name="another run")
    fill(other)
    apparel_sync("another run")
    assert find_outbox(other.id).sent()[0] and not find_outbox(outbox.id).sent()[0]
    with pytest.raises(UserError, match="--to is 'host:5000', which is no address"):
        apparel_sync("--to", "host:5000")
    apparel_sync("--dry-run", "--to", "http://me:p4ss@w0rd@host")
    printed = capsys.readouterr().out
    assert "to http://host\n" in printed and "w0rd" not in printed
