"""CSV tables are written byte-identical and read without trust."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apparel.errors import UserError
from apparel.utils import csv_tables, limits

TEXT = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\r"))
FLOATS = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(st.tuples(TEXT, FLOATS, st.integers(-(2**62), 2**62)), max_size=5))
def test_a_written_table_reads_back_equal(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("tables") / "table.csv"
    table = pd.DataFrame(rows, columns=["name", "score", "count"])
    csv_tables.write(table, path)
    back = csv_tables.read(path, ["name", "score", "count"])
    assert back["name"].tolist() == [name for name, _, _ in rows]
    assert [float(score) for score in back["score"]] == [score for _, score, _ in rows]
    assert [int(count) for count in back["count"]] == [count for _, _, count in rows]


@pytest.mark.parametrize(
    ("value", "text"), [(3.0, "3"), (-0.0, "0"), (0.1, "0.1"), (1e-7, "0.0000001"), (1e16, "1" + "0" * 16)]
)
def test_numbers_are_short_and_plain(value, text):
    assert csv_tables.number(value) == text


def test_a_missing_figure_is_an_empty_field(tmp_path):
    csv_tables.write_figures(pd.DataFrame({"class": ["Tops", None], "AP50": [1.0, float("nan")]}), tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text(encoding="utf-8") == "class,AP50\nTops,1.0\n,\n"


def test_a_table_is_written_whole_without_leftovers(tmp_path):
    path = tmp_path / "new" / "table.csv"
    csv_tables.write(pd.DataFrame({"a": [1.0, 2.5]}), path)
    csv_tables.write(pd.DataFrame({"a": ["é"]}), path)
    assert path.read_bytes() == "a\né\n".encode()
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"\xff\xfea\x00", "not UTF-8"),
        (b"a,B\n1,2\n", "no column 'b'"),
        (b'a,"B\nc"\n1,2\n', r"no column 'b'; valid are B\?c, a$"),
        (b"a,b,a\n1,2,3\n", "named twice"),
        (b"a,b\n1,2\n\n3\n", "line 4: 1 fields where the header has 2"),
        (b'a,b\n1,"2', "line 2: not CSV"),
        (b'a,b\n1,"2"x\n', "line 2: not CSV"),
        (b"a,b\n1," + b"2" * 200_000, "not CSV"),
    ],
)
def test_a_file_that_is_not_a_table_is_refused_by_name(tmp_path, data, message):
    path = tmp_path / "table.csv"
    path.write_bytes(data)
    with pytest.raises(UserError, match=message) as error:
        csv_tables.read(path, ["a", "b"])
    assert str(path) in str(error.value)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    for path in (tmp_path, tmp_path / "none.csv"):
        with pytest.raises(UserError, match=str(path.name)):
            csv_tables.read(path, ["a"])


def test_a_byte_order_mark_and_windows_line_ends_are_understood(tmp_path):
    path = tmp_path / "table.csv"
    path.write_bytes('\ufeffa,b\r\n1,"x\ny"\r\n'.encode())
    table = csv_tables.read(path, ["b", "a"])
    assert table.to_dict("records") == [{"b": "x\ny", "a": "1"}]
    assert table.index.tolist() == [3]


@pytest.mark.parametrize(
    ("limit", "message"),
    [("MAX_TABLE_BYTES", "is larger than 20 bytes"), ("MAX_TABLE_FIELDS", "line 11: more than 20 fields")],
)
def test_a_table_without_end_is_refused(tmp_path, monkeypatch, limit, message):
    monkeypatch.setattr(limits, limit, 20)
    (tmp_path / "list.csv").write_text("filename,class\n" * 100)
    with pytest.raises(UserError, match=rf"list\.csv.* {message}"):
        csv_tables.read(tmp_path / "list.csv", ["filename"])
