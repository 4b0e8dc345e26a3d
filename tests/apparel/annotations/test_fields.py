"""Values from annotation files: whatever a text holds, it is a value that can be used or none."""

from hypothesis import given
from hypothesis import strategies as st

from apparel.annotations.fields import parse_class_name, parse_number
from apparel.errors import plain
from apparel.utils.names import file_name


@given(st.text())
def test_any_text_is_a_number_and_a_name_that_can_be_used_or_none(text):
    value = parse_number(text)
    assert value is None or value == float(text)
    assert "/" not in file_name(text)
    assert "\\" not in file_name(text)
    assert plain(text).isprintable()


def test_a_class_name_is_on_one_line_with_accents_as_one_character():
    assert parse_class_name(" Long\n  ro\u0308be\u200b ") == "Long r\u00f6be?"
    assert parse_class_name(" \n") == ""
