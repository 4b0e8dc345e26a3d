"""Nested values by dotted name."""

from apparel.utils import nested


def test_nested_values_are_flattened_to_dotted_names_and_back() -> None:
    values = {"a": {"b": 1, "c": [1, 2]}, "d": {"e": {"f": None}}}
    flat = nested.flatten(values)
    assert flat == {"a.b": 1, "a.c": [1, 2], "d.e.f": None}
    assert nested.nest(flat) == values
    assert nested.flatten(values, join_lists=True)["a.c"] == "1,2"
