import pytest

from apparel.annotations import csv_lines
from apparel.errors import UserError


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_lines_are_read_in_the_encodings_of_spreadsheets(tmp_path, encoding):
    path = tmp_path / "a.csv"
    path.write_bytes("a,Röcke\r\nb\rc\nd".encode(encoding))
    assert csv_lines.read_lines(path) == ["a,Röcke", "b", "c", "d"]


def test_other_encodings_missing_files_and_large_ones_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "a.csv"
    with pytest.raises(UserError, match="cannot be read"):
        csv_lines.read_lines(path)
    path.write_bytes(b"\xff\xff")
    with pytest.raises(UserError, match="neither UTF-8 nor UTF-16"):
        csv_lines.read_lines(path)
    monkeypatch.setattr(csv_lines, "MAX_BYTES", 1)
    with pytest.raises(UserError, match="larger than 1 bytes"):
        csv_lines.read_lines(path)


def test_a_row_with_a_stray_quote_has_no_fields():
    assert csv_lines.fields('"a, b" , c', ",") == []
    assert csv_lines.fields(' a ;"b;c"', ";") == ["a", "b;c"]
