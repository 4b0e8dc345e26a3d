"""Patterns of paths, such as `new/**/*.jpg`."""

import glob
import re
from collections.abc import Iterator
from pathlib import Path


def is_pattern(text: str) -> bool:
    """Whether a text has one of the signs of a pattern."""
    return glob.has_magic(text)


def matches(pattern: str) -> Iterator[Path]:
    """Files and folders whose paths match, in no order; hidden ones only for a pattern with a dot before a name.

    `**` stands for any number of folders, but for links to folders, which may lead round in circles: `glob.iglob`
    follows those, `Path.glob` does not.
    """
    parts = Path(pattern).parts
    first = next((number for number, part in enumerate(parts) if is_pattern(part)), len(parts))
    root, rest = Path(*parts[:first]), [part if part == "**" else re.sub(r"\*\*+", "*", part) for part in parts[first:]]
    hidden = any(part.startswith(".") for part in rest)
    for path in root.glob("/".join(rest)) if rest else ():
        if hidden or not any(part.startswith(".") for part in path.parts[first:]):
            yield path


def below(folder: Path, pattern: str) -> str:
    """The pattern as one that starts at a folder, whatever signs the folder's own name has."""
    return str(Path(glob.escape(str(folder)), pattern))


def matches_any(pattern: str) -> bool:
    """Whether there is a file or folder that matches."""
    return next(matches(pattern), None) is not None
