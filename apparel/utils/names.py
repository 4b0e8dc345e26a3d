"""File names, compared without regard to case or to how accents are encoded."""

import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence


def file_name(path: str) -> str:
    """The last part of a path as Windows or Unix writes it."""
    return path.replace("\\", "/").rsplit("/", 1)[-1].strip()


def folded(name: str) -> str:
    """The form of a name in which two are equal that differ only in case, or in accents as one character or two."""
    return unicodedata.normalize("NFC", name).casefold()


def unique(names: Sequence[str], key: Callable[[str], str]) -> dict[str, str]:
    """The names by their key, without those that share theirs with another name."""
    keys = [key(name) for name in names]
    counts = Counter(keys)
    return {key_of_name: name for key_of_name, name in zip(keys, names, strict=True) if counts[key_of_name] == 1}
