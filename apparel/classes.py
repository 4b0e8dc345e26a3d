"""Whether a class list fits the labels that a data set has."""

import difflib
import re
from collections.abc import Mapping, Sequence

from apparel.errors import UserError, nearest

BACKGROUND = "background"
"""The row and the column of the confusion matrix for what no box covers."""

ALL = "all classes"
"""The last row of the per-class table: means of the figures, sums of the counts."""

RECALL = "recall"
"""The first column of the table of curves, before those of the classes."""

RESERVED = (BACKGROUND, ALL, RECALL)
"""No class has one of these names: results have them for something else."""

ALIKE = 0.85
"""`difflib` ratio; above it are `Dreses` and `Dresses`, below it `Shirts`, `Shorts` and `Skirts` of each other."""

RARE = 0.1
"""A misspelling has fewer than this share of the boxes of the name that was meant; a class of its own has more."""


def check(class_list: Sequence[str], found: Mapping[str, int]) -> None:
    """Holds the class list against the labels found.

    Args:
        class_list: the classes to keep.
        found: boxes of each label, 1 or more.

    Raises:
        UserError: there are no boxes, a listed class has none, or a label that is not listed looks like one that is,
            so that leaving it out would be a mistake.
    """
    if not found:
        raise UserError("the annotations hold no boxes at all; data.classes can't be found in them")
    occurring = f"found are {', '.join(f'{label} ({found[label]})' for label in sorted(found)[:20])}"
    for name in class_list:
        if not found.get(name):
            raise UserError(f"data.classes: no box is labelled '{name}'{_hint(name, found)}; {occurring}")
    for label in sorted(set(found) - set(class_list)):
        for name in class_list:
            if _same(label, name) or (found[label] < RARE * found[name] and _misspelt(label, name)):
                raise UserError(
                    f"{found[label]} boxes are labelled '{label}', which is not in data.classes but looks like "
                    f"'{name}' there; correct the annotations, or list it"
                )


def _hint(name: str, found: Mapping[str, int]) -> str:
    same = [label for label in sorted(found) if _same(label, name)]
    hint = nearest(name, same or list(found))
    return hint if "did you mean" in hint else ""


def _same(label: str, name: str) -> bool:
    """Alike but for case, spaces, dashes and the like, and the plural."""
    one, other = _bare(label), _bare(name)
    return other in (one, _plural(one)) or one == _plural(other)


def _bare(name: str) -> str:
    return re.sub(r"[\s\-_.,;:/&'’]", "", name.casefold()) or name


def _plural(word: str) -> str:
    return word + ("es" if word.endswith(("s", "x", "z", "ch", "sh")) else "s")


def _misspelt(label: str, name: str) -> bool:
    """Alike in most letters; numbers are not misspelt: `size 10` is not `size 12`."""
    if re.findall(r"\d+", label) != re.findall(r"\d+", name):
        return False
    return difflib.SequenceMatcher(None, label.casefold(), name.casefold()).ratio() >= ALIKE
