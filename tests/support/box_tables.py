"""Small ground truth and detection tables, by hand and by hypothesis."""

import pandas as pd
from hypothesis import strategies as st

from apparel.boxes import CORNERS

CLASSES = ["Dresses", "Skirts", "Tops"]
LEFT, RIGHT = (0, 0, 10, 10), (20, 0, 30, 10)


def truth_table(*rows):
    """Rows of filename, class, box and, if it is, `difficult`."""
    table = pd.DataFrame([(*row[:2], *row[2], len(row) > 3) for row in rows or [("", "", LEFT)]])
    return table.set_axis(["filename", "class", *CORNERS, "difficult"], axis=1)[: len(rows)]


def detection_table(*rows):
    """Rows of filename, class, score and box."""
    columns = ["filename", "class", "score", *CORNERS]
    table = pd.DataFrame([(*row[:3], *row[3]) for row in rows], columns=columns)
    return table.astype({"filename": "str", "class": "str"} | dict.fromkeys(columns[2:], float))


def photo_table(names):
    """A photo table."""
    return pd.DataFrame({"filename": list(names), "width": 100, "height": 100})


# Boxes on a coarse grid, so that they overlap, coincide and tie.
corner = st.integers(0, 6)
box = st.tuples(corner, corner, st.integers(1, 5), st.integers(1, 5)).map(
    lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])
)
photo, name = st.sampled_from("pqrs"), st.sampled_from(CLASSES)
truth_row_lists = st.lists(st.tuples(photo, name, box), max_size=12)
detection_row_lists = st.lists(st.tuples(photo, name, st.integers(0, 1000).map(lambda n: n / 1000), box), max_size=25)
untied_detection_row_lists = st.lists(
    st.tuples(photo, name, st.integers(0, 10**6).map(lambda n: n / 10**6), box),
    max_size=25,
    unique_by=lambda row: row[2],
)
