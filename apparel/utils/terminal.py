"""Colours of text on a terminal (ANSI), where it has them."""

import os
from typing import Literal, TextIO

CODES = {"red": 31, "green": 32}
"""Foreground colours of ECMA-48, "Select Graphic Rendition"."""


def has_colours(stream: TextIO) -> bool:
    """Whether text that is written to `stream` may be coloured: a terminal, and no NO_COLOR (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") != "dumb"


def coloured(text: str, colour: Literal["red", "green"], colours: bool) -> str:
    """Returns the text in a colour; as it is if there are no colours."""
    return f"\033[{CODES[colour]}m{text}\033[0m" if colours else text
