"""File names as systems compare them."""

from apparel.utils.names import file_name, folded, unique


def test_the_last_part_of_a_path_of_any_system():
    assert [file_name(path) for path in ("C:\\photos\\a.jpg", "/home/b.jpg ", "c.jpg", "d/")] == [
        "a.jpg",
        "b.jpg",
        "c.jpg",
        "",
    ]


def test_case_and_the_form_of_accents_make_no_difference():
    assert folded("U\u0308.JPG") == folded("\u00fc.jpg")


def test_names_that_share_their_key_are_left_out():
    assert unique(["a.jpg", "A.jpg", "b.jpg"], folded) == {"b.jpg": "b.jpg"}
