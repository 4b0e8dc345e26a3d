"""Problems of an annotation file, in their order and fit for a terminal."""

from apparel.annotations.problems import Problem, Problems


def test_problems_are_kept_in_their_order_with_where_they_are():
    problems = Problems("a.csv")
    problems.add("dropped", "photo is missing", "a.jpg", boxes=3)
    problems.where = "line 2"
    problems.add("repaired", "corners are swapped", ("Tops", 1))
    problems.add("noted", "EXIF turns the photo")
    assert problems.entries == [
        Problem("dropped", "photo is missing", "a.csv", "a.jpg", 3),
        Problem("repaired", "corners are swapped", "a.csv", "line 2: ('Tops', 1)", 1),
        Problem("noted", "EXIF turns the photo", "a.csv", "line 2", 1),
    ]


def test_what_a_terminal_cannot_show_is_masked():
    problems = Problems("\udcff.xml")
    problems.add("dropped", "photo is missing", "a\n\x1b[31m.jpg")
    assert problems.entries == [Problem("dropped", "photo is missing", "?.xml", "a??[31m.jpg", 1)]
