import argparse
import io
import socket
from pathlib import Path

import pytest

from apparel.cli import arguments
from apparel.errors import UserError


def test_positive_int_and_trial_number():
    assert (arguments.positive_int("12"), arguments.trial_number("0")) == (12, 0)


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "", "x"])
def test_a_number_below_one_or_no_number_is_refused(text):
    with pytest.raises(argparse.ArgumentTypeError, match="expected a whole number from 1"):
        arguments.positive_int(text)


@pytest.mark.parametrize("text", ["-1", "1.5", "", "best"])
def test_what_is_no_trial_number_is_refused(text):
    with pytest.raises(argparse.ArgumentTypeError, match="expected a trial's number"):
        arguments.trial_number(text)


@pytest.mark.parametrize(("answer", "agreed"), [("y\n", True), ("YES\n", True), ("n\n", False), ("\n", False)])
def test_only_yes_is_yes(answer, agreed, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    assert arguments.confirm("Continue?", "add --yes") is agreed


def test_a_question_that_nobody_can_answer_names_the_option(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    with pytest.raises(UserError, match="no terminal to ask at; add --yes"):
        arguments.confirm("Continue?", "add --yes")


def test_a_port_in_use_is_refused():
    with socket.create_server(("127.0.0.1", 0)) as used:
        port = used.getsockname()[1]
        with pytest.raises(UserError, match=f"127.0.0.1:{port} .*--port"):
            arguments.check_port_free("127.0.0.1", port)
    arguments.check_port_free("127.0.0.1", 0)


def test_a_path_or_an_address(tmp_path):
    assert arguments.path_or_address("a/b") == arguments.local_path("a/b") == Path("a/b")
    assert arguments.path_or_address("gs://bucket/a/") == "gs://bucket/a"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ftp://host/a", "expected a path, or an address of gs://"),
        ("gs://", "is no address of a folder"),
        ("gs://b/../a", "is no address of a folder"),
        ("s3://me:word@bucket/a", "an address with a password"),
    ],
)
def test_what_is_neither_is_refused(text, said):
    with pytest.raises(argparse.ArgumentTypeError, match=said) as error:
        arguments.path_or_address(text)
    assert "word@" not in str(error.value)


def test_an_address_where_only_a_path_works_names_the_remedy():
    with pytest.raises(argparse.ArgumentTypeError, match=r"not 'gs://b/sweep\.yaml'; `gcloud storage cp`"):
        arguments.local_path("gs://b/sweep.yaml")
