"""Errors of a section's values: each names its key, in dictionaries and lists of sections, too."""

import pytest
from pydantic import ValidationError

from apparel.utils.sections import Section, explain


class Point(Section):
    """Two numbers."""

    left: int
    top: int


class Shapes(Section):
    """Points by name of their shape."""

    points: dict[str, tuple[Point, ...]]


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ({"a": ({"left": 1},)}, "points.a.0.top is missing"),
        ({"a": ({"left": 1, "top": 2, "lefd": 3},)}, "points.a.0.lefd is unknown; did you mean 'left'?"),
        ({"a": ({"left": "1", "top": 2},)}, "points.a.0.left: input should be a valid integer, found '1'"),
        ({"a": (1,)}, "points.a: should have the keys left, top, found 1"),
    ],
)
def test_a_problem_names_its_key_and_the_remedy(points, message) -> None:
    with pytest.raises(ValidationError) as error:
        Shapes.model_validate({"points": points})
    assert explain(error.value, Shapes) == message


def test_every_problem_is_named() -> None:
    with pytest.raises(ValidationError) as error:
        Point.model_validate({"left": 1.5})
    assert explain(error.value, Point) == ("left: input should be a valid integer, found 1.5; top is missing")


def test_thousands_of_problems_and_long_values_make_a_short_message() -> None:
    unknown = {f"key{number}": 1 for number in range(5_000)}
    with pytest.raises(ValidationError) as error:
        Point.model_validate({"left": "x" * 10**6, "to\x1bp": 1, **unknown})
    text = explain(error.value, Point)
    assert text.startswith("left: input should be a valid integer, found 'xxx")
    assert "to?p is unknown; did you mean 'top'?" in text
    assert text.endswith("; and 4,983 more") and len(text) < 5_000
