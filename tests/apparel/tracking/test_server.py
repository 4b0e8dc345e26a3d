"""Addresses of MLflow servers, and the names that MLflow accepts."""

import logging
import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apparel.errors import UserError
from apparel.tracking.server import (
    clean_name,
    connect,
    reason,
    serve,
    server_address,
    tracking_uri,
    with_password,
    without_password,
)


@pytest.mark.parametrize("name", ["test/AP50/Pants_Leggings", "train/loss", "val/mAP50", "mlflow.source.git.commit"])
def test_good_names_stay(name):
    assert clean_name(name) == name


def test_a_cleaned_file_keeps_its_ending():
    assert clean_name("IMG #1.png").endswith(".png")


@given(st.lists(st.text(max_size=300), min_size=2, max_size=2, unique=True))
def test_two_names_never_become_one(names):
    one, other = map(clean_name, names)
    assert one != other


@pytest.mark.parametrize(
    "pair", [("T-shirts & tops", "T-shirts # tops"), ("a//b", "a/b"), ("", "_"), ("x" * 300, "x" * 301)]
)
def test_names_that_look_alike_once_cleaned_stay_apart(pair):
    assert clean_name(pair[0]) != clean_name(pair[1])


def test_a_password_is_not_shown():
    assert without_password("https://me:secret@host:5000/x") == "https://host:5000/x"


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("http://me:sec@ret@host:5000", "http://host:5000"),
        ("http://me@corp:sec:ret@host", "http://host"),
        ("postgresql://me:sec/ret@host/db", "postgresql://host/db"),
        ("postgresql+psycopg2://me:ret@host:5432/db?sslmode=off", "postgresql+psycopg2://host:5432/db?sslmode=off"),
        ("postgresql://host/db?user=me&password=sec@ret", "postgresql://host/db?user=me&password=***"),
        ("sqlite:////home/me@work/mlflow.db", "sqlite:////home/me@work/mlflow.db"),
        ("file:///home/me@work:1/x@y", "file:///home/me@work:1/x@y"),
    ],
)
def test_no_part_of_a_password_is_shown(address, shown):
    assert without_password(address) == shown
    assert without_password(f"cannot reach {address} now") == f"cannot reach {shown} now"


def test_the_password_in_use_is_not_shown_in_any_form(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:s%40cr%2Fet word@host:5000")
    text = without_password("http://me:s%40cr%2Fet word@host:5000, s@cr/et word, s%40cr%2Fet%20word")
    assert text == "http://host:5000, ***, ***"


def test_no_message_is_cut_within_a_password():
    shown = reason(OSError("x" * 285 + " http://me:secret@host"))
    assert "secr" not in shown and len(shown) <= 300


@pytest.mark.parametrize("address", ["me:secret@host:5000", "http://me:se/cret@host", "http://me:1/secret@host"])
def test_a_password_that_mlflow_would_take_for_a_path_is_refused_and_not_shown(monkeypatch, address):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    with pytest.raises(UserError, match="%40") as error:
        tracking_uri()
    assert "secret" not in str(error.value) and "cret@" not in str(error.value)


def test_the_password_for_a_request_is_that_of_the_environment_if_it_names_the_same_server(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:sec@ret@host:5000")
    assert server_address() == "http://host:5000"
    assert with_password("http://host:5000") == "http://me:sec@ret@host:5000"
    assert with_password("http://other:5000") == "http://other:5000"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow:mlflow@mlflow:5000")
    assert server_address() == "http://mlflow:5000"


def test_two_ends_of_a_password_are_refused_where_a_database_takes_the_first(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://me:p4ss@w0rd@db/mlflow")
    with pytest.raises(UserError, match="two '@'") as error:
        tracking_uri()
    assert "w0rd" not in str(error.value)


def test_no_library_logs_the_password(monkeypatch, tmp_path, caplog):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:p4ss@w0rd@127.0.0.1:1")
    before = logging.getLogRecordFactory()
    connect(tracking_uri())
    logging.getLogger("database").error("cannot resolve %s", "w0rd@127.0.0.1")
    logging.setLogRecordFactory(before)
    assert caplog.messages == ["cannot resolve ***@127.0.0.1"]


def test_no_password_is_on_the_command_line_of_mlflows_server(monkeypatch):
    started = {}

    class Server:
        returncode = 0

        def __init__(self, command, env):
            started.update(command=command, environment=env)

        __enter__ = lambda self: self  # noqa: E731
        __exit__ = wait = terminate = lambda *_: None

    monkeypatch.setattr("subprocess.Popen", Server)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    monkeypatch.setenv("MLFLOW_BACKEND_STORE_URI", "sqlite:///another.db")
    serve("postgresql://me:secret@db/mlflow", "127.0.0.1", 5000)
    assert "secret" not in " ".join(started["command"])
    assert started["environment"]["MLFLOW_BACKEND_STORE_URI"] == "postgresql://me:secret@db/mlflow"


@pytest.mark.parametrize("address", ["localhost:5000", "server.example:80/", "http://", "https:/", "gs://bucket/runs"])
def test_an_address_that_could_never_be_reached_is_refused_before_anything_waits_for_it(monkeypatch, address):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    with pytest.raises(UserError, match="MLFLOW_TRACKING_URI is"):
        tracking_uri()


@pytest.mark.parametrize(
    "address", ["http://localhost:5000", "sqlite:///mlflow.db", "./mlruns", "file:///a", "databricks"]
)
def test_addresses_are_left_as_they_are(monkeypatch, address):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    assert tracking_uri() == address


@given(name=st.text(max_size=300))
def test_mlflow_takes_every_cleaned_name(name):
    from mlflow.store.artifact.artifact_repo import verify_artifact_path
    from mlflow.utils.validation import _validate_metric_name, _validate_tag_name

    cleaned = clean_name(name)
    _validate_metric_name(cleaned)
    _validate_tag_name(cleaned)
    verify_artifact_path(cleaned)
    assert len(posixpath.basename(cleaned)) > 0
