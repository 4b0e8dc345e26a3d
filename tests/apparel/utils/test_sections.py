"""Errors of a section's values: each names its key, in dictionaries and lists of sections, too."""

import pytest
from pydantic import Field

from apparel.errors import UserError
from apparel.utils.sections import Section, parse


class Point(Section):
    """Two numbers."""

    left: int
    top: int


class Shapes(Section):
    """Points by name of their shape, in lists, and in one list."""

    points: dict[str, tuple[Point, ...]] = Field(default_factory=dict)
    centres: tuple[Point, ...] = ()


def refused(values, model, line=lambda keys: None) -> str:
    """The message without what the values are called."""
    with pytest.raises(UserError) as error:
        parse(values, "x.yaml", model, line)
    return str(error.value).removeprefix("x.yaml: ")


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ({"a": ({"left": 1},)}, "points.a, entry 1: top is missing"),
        ({"a": ({"left": 1, "top": 2, "lefd": 3},)}, "points.a, entry 1: lefd is unknown; did you mean 'left'?"),
        (
            {"a": ({"left": 1, "top": 2}, {"left": "1", "top": 2})},
            "points.a, entry 2: left: input should be a valid integer, found '1'",
        ),
        ({"a": (1,)}, "points.a, entry 1: should have the keys left, top, found 1"),
        ({"a": ({"left": 1, "top": 2, 7: 3},)}, "points.a, entry 1: 7: keys should be strings, found 7"),
    ],
)
def test_a_problem_names_its_key_and_the_remedy(points, message) -> None:
    assert refused({"points": points}, Shapes) == message


def test_entries_of_a_list_count_from_one_and_have_their_line() -> None:
    values = {"centres": ({"left": 1, "top": 2}, {"left": 1}, 3)}
    asked = []

    def line(keys):
        asked.append(list(keys))
        return 10 + keys[1] if keys[1] < 2 else None

    told = "centre 2 (line 11): top is missing; centre 3: should have the keys left, top, found 3"
    assert refused(values, Shapes, line) == told
    assert asked == [["centres", 1], ["centres", 2]]


def test_every_problem_is_named() -> None:
    assert refused({"left": 1.5}, Point) == "left: input should be a valid integer, found 1.5; top is missing"


def test_thousands_of_problems_and_long_values_make_a_short_message() -> None:
    unknown = {f"key{number}": 1 for number in range(5_000)}
    text = refused({"left": "x" * 10**6, "to\x1bp": 1, **unknown}, Point)
    assert text.startswith("left: input should be a valid integer, found 'xxx")
    assert "to?p is unknown; did you mean 'top'?" in text
    assert text.endswith("; and 4,983 more") and len(text) < 5_000
