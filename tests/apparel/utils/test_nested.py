"""Nested values by dotted name."""

from apparel.utils import nested


def test_nested_values_are_flattened_to_dotted_names_and_back() -> None:
    values = {"a": {"b": 1, "c": [1, 2]}, "d": {"e": {"f": None}}}
    flat = nested.flatten(values)
    assert flat == {"a.b": 1, "a.c": [1, 2], "d.e.f": None}
    assert nested.nest(flat) == values
    assert nested.flatten(values, join_lists=True)["a.c"] == "1,2"


def test_a_value_is_found_below_keys_and_numbers() -> None:
    values = {"a": [{"b": 1}, {"b": 2}]}
    assert nested.at(values, ["a", 1, "b"]) == 2
    assert nested.at(values, ["a", 2, "b"]) is None and nested.at(values, ["a", "b"]) is None
