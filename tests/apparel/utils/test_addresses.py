"""No form of a password of an address is left in a text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apparel.utils.addresses import address_only, reason, without_password


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://ghp_token@github.com/a/b", "https://github.com/a/b"),
        ("https://oauth2:tok:en@host/a/b.git", "https://host/a/b.git"),
        ("https://host/a/b?private_token=abc&ref=main", "https://host/a/b?private_token=***&ref=main"),
        ("grpc://me:sec@ret@host:13000", "grpc://host:13000"),
        ("git@github.com:a/b", "git@github.com:a/b"),
    ],
)
def test_users_and_passwords_are_left_out(address, shown):
    assert address_only(address) == shown
    assert without_password(f"fatal: unable to access '{address}/': 403") == f"fatal: unable to access '{shown}/': 403"


@pytest.mark.parametrize(
    "message",
    [
        'could not translate host name "w0rd@db" to address',  # the driver ends the password at the first @
        "invalid literal for int() with base 10: 'p4ss@w0rd@db'",
        "password authentication failed for p4ss%40w0rd",
        "URL(password='p4ss@w0rd')",
    ],
)
def test_a_password_that_a_library_takes_for_something_else_is_left_out(message):
    shown = without_password(message, ["postgresql://me:p4ss@w0rd@db/optuna"])
    assert "p4ss" not in shown and "w0rd" not in shown


def test_no_message_is_cut_within_a_password():
    assert "secr" not in reason(OSError("x" * 285 + " http://me:secret@host"))
    assert reason(OSError("user me, password secr3t"), ["http://me:secr3t@host"]) == "user me, password ***"


@given(password=st.text("abc@:%./ ", min_size=4, max_size=12))
def test_no_password_is_left_whole(password):
    address = f"http://me:{password}@host/path"
    text = without_password(f"{address} and '{password}'", [address])
    assert password not in text


@pytest.mark.parametrize("text", ["x", "x://", "a://b:", "a:b@", "?", "?pass", "&token"])
def test_a_long_text_is_masked_without_trying_every_part_of_it(text):
    assert without_password(text * 200_000 + " http://me:secret@host") == text * 200_000 + " http://host"
