"""Texts of errors: short lists, one line, the nearest name."""

import pytest

from apparel.errors import nearest, one_line, some_of


@pytest.mark.parametrize(
    ("count", "text"), [(0, ""), (1, "0"), (3, "0, 1, 2"), (4, "0, 1, 2 and 1 more"), (2003, "0, 1, 2 and 2,000 more")]
)
def test_a_list_of_names_is_cut_and_the_others_counted(count, text):
    assert some_of([str(number) for number in range(count)], 3) == text


def test_a_librarys_message_is_on_one_line_and_never_empty():
    assert one_line(ValueError("a\n  b\tc")) == "a b c"
    assert one_line(ValueError("x" * 400)) == "x" * 300
    assert one_line(KeyError()) == "KeyError"


def test_the_nearest_name_is_proposed_or_all_are_listed():
    assert nearest("epoch", ["epochs", "steps"]) == "; did you mean 'epochs'?"
    assert "epochs, steps" in nearest("xyz", ["steps", "epochs"])
