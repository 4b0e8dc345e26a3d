"""Class list of a data set: whether it fits the labels, with heuristics that find misspelt ones."""

import difflib
import re
from collections.abc import Mapping, Sequence

from apparel.errors import UserError, nearest

ALIKE = 0.85
"""Ratio of `difflib`: of `Dreses` and `Dresses` it is above, of any two of `Shirts`, `Shorts`, `Skirts` below."""

RARE = 0.1
"""A misspelling has fewer than this share of the boxes of the right name; a class of its own has more."""


def check_class_list(class_list: Sequence[str], box_counts: Mapping[str, int]) -> None:
    """Checks that a class list fits the labels of a data set.

    Args:
        class_list: the classes to keep.
        box_counts: the number of boxes of each label, 1 or more.

    Raises:
        UserError: there are no boxes, a listed class has none, or a label that is not listed looks like one that is,
            so that leaving it out would be a mistake.
    """
    if not box_counts:
        raise UserError("the annotations hold no boxes at all; data.classes can't be found in them")
    occurring = f"found are {', '.join(f'{label} ({box_counts[label]})' for label in sorted(box_counts)[:20])}"
    for name in class_list:
        if not box_counts.get(name):
            raise UserError(f"data.classes: no box is labelled '{name}'{_hint(name, box_counts)}; {occurring}")
    for label in sorted(set(box_counts) - set(class_list)):
        for name in class_list:
            if _same(label, name) or (box_counts[label] < RARE * box_counts[name] and _misspelt(label, name)):
                raise UserError(
                    f"{box_counts[label]} boxes are labelled '{label}', which is not in data.classes but looks like "
                    f"'{name}' there; correct the annotations, or list it"
                )


def _hint(name: str, box_counts: Mapping[str, int]) -> str:
    same = [label for label in sorted(box_counts) if _same(label, name)]
    hint = nearest(name, same or list(box_counts))
    return hint if "did you mean" in hint else ""


def _same(label: str, name: str) -> bool:
    """Whether two names differ only in case, in spaces, dashes and the like, or in the plural."""
    one, other = _bare(label), _bare(name)
    return other in (one, _plural(one)) or one == _plural(other)


def _bare(name: str) -> str:
    return re.sub(r"[\s\-_.,;:/&'’]", "", name.casefold()) or name


def _plural(word: str) -> str:
    return word + ("es" if word.endswith(("s", "x", "z", "ch", "sh")) else "s")


def _misspelt(label: str, name: str) -> bool:
    """Whether most letters are the same; numbers are not misspelt: `size 10` is not `size 12`."""
    if re.findall(r"\d+", label) != re.findall(r"\d+", name):
        return False
    return difflib.SequenceMatcher(None, label.casefold(), name.casefold()).ratio() >= ALIKE
