import io

import pytest

from apparel.utils import terminal


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("stream", "environment", "expected"),
    [
        (Terminal(), {"TERM": "xterm"}, True),
        (Terminal(), {"TERM": "xterm", "NO_COLOR": ""}, True),
        (Terminal(), {"TERM": "xterm", "NO_COLOR": "1"}, False),
        (Terminal(), {"TERM": "dumb"}, False),
        (Terminal(), {}, False),
        (io.StringIO(), {"TERM": "xterm"}, False),
    ],
)
def test_only_terminals_that_want_colours_have_them(monkeypatch, stream, environment, expected):
    for name in ("TERM", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert terminal.has_colours(stream) is expected


def test_text_is_as_it_was_without_colours():
    assert terminal.coloured("BROKEN", "red", False) == "BROKEN"
    assert terminal.coloured("BROKEN", "red", True) == "\033[31mBROKEN\033[0m"
