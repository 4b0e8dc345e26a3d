"""FIAT's CSV files are read in both layouts; a bad row is dropped and counted."""

import numpy as np
import pytest

from apparel.annotations import csv_lines, fiat
from apparel.annotations.fields import NOT_PLAIN
from apparel.errors import UserError
from apparel.utils.names import file_name


@pytest.fixture
def read(tmp_path):
    def read_text(content):
        path = tmp_path / "out.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        annotations, problems = fiat.read(path, "in/out.csv")
        found = {
            file_name(annotation.photo): [(box.label, *box.corners) for box in annotation.boxes]
            for annotation in annotations
        }
        return found, [(problem.reason, problem.detail) for problem in problems.entries]

    return read_text


@pytest.mark.parametrize(
    "header", ["", "path,class,x,y,w,h\n", "Path, Class, X, Y, W, H\r\n", "\ufeffpath,class,x,y,w,h\n"]
)
def test_rect_has_the_top_left_corner(read, header):
    found, problems = read(header + "./a.jpg,Tops,10,20,30,40.5\n\nC:\\b.jpg,0,1,2,3,4\n./a.jpg,Skirts,0,0,5,5\n")
    assert found == {"a.jpg": [("Tops", 10, 20, 40, 60.5), ("Skirts", 0, 0, 5, 5)], "b.jpg": [("0", 1, 2, 4, 6)]}
    assert problems == []


@pytest.mark.parametrize("header", ["", "path,class,center_x,center_y,w,h,o\n"])
def test_rotated_rect_has_the_centre_and_degrees(read, header):
    found, problems = read(header + "a.jpg,Tops,50,60,20,10,0\na.jpg,Tops,50,60,20,10,90\nb.jpg,Tops,50,60,20,10,-30\n")
    half_x = (20 * np.sqrt(3) / 2 + 10 / 2) / 2
    half_y = (20 / 2 + 10 * np.sqrt(3) / 2) / 2
    np.testing.assert_allclose(found["a.jpg"][0][1:], [40, 55, 60, 65])
    np.testing.assert_allclose(found["a.jpg"][1][1:], [45, 50, 55, 70])
    np.testing.assert_allclose(found["b.jpg"][0][1:], [50 - half_x, 60 - half_y, 50 + half_x, 60 + half_y])
    assert problems == []


def test_the_example_in_the_documentation_of_fiat_is_read(read):
    found, problems = read("./pic.jpg,a,709,816,826,1116,-14.6958\n./pic.jpg,e,1510,607,741,1001,6.32224\n")
    assert [row[0] for row in found["pic.jpg"]] == ["a", "e"]
    assert problems == []


def test_files_of_the_extraction_tool_are_read(read):
    found, _ = read("a/pic_0.jpg,a,413,558,826,1116,0,0.1,0.1,3,1\n")
    assert found == {"pic_0.jpg": [("a", 0, 0, 826, 1116)]}


@pytest.mark.parametrize(
    ("row", "reason", "detail"),
    [
        ("a.jpg,Tops,1,2,3", "row does not have the columns", ""),
        ("a.jpg,Tops,1,2,3,4,5,6", "row does not have the columns", ""),
        (",Tops,1,2,3,4,0", "row does not have the columns", ""),
        ('a.jpg,"Tops,1,2,3,4,0', "row does not have the columns", ""),
        ("a.jpg," + "T" * 200_000 + ",1,2,3,4,0", "row does not have the columns", ""),
        ("a.jpg,Tops,1,x,3,4,0", "coordinate is not a number", "Tops 1 x 3 4"),
        ("a.jpg,Tops,1,nan,3,4,0", "coordinate is not a number", "Tops 1 nan 3 4"),
        ("a.jpg,Tops,1,2e9,3,4,0", "coordinate is beyond any photo", "Tops 1 2e+09 3 4"),
        ("a.jpg,Tops,1,2,-3,4,0", "width or height is below zero", "Tops 1 2 -3 4"),
        ("a.jpg,Tops,1,2,3,4,inf", "orientation is not a number", "Tops inf"),
        ("a.jpg,,1,2,3,4,0", "object has no class", "a.jpg"),
    ],
)
def test_a_bad_row_is_dropped_and_the_others_stay(read, row, reason, detail):
    found, problems = read(f"path,class,center_x,center_y,w,h,o\n{row}\nb.jpg,Tops,5,5,2,2,0\n")
    assert found["b.jpg"] == [("Tops", 4, 4, 6, 6)]
    assert problems == [(reason, f"line 2: {detail}" if detail else "line 2")]


def test_a_bad_first_row_does_not_make_the_file_unreadable(read):
    found, problems = read("a.jpg,Tops,?,5,2,2,0\nb.jpg,Tops,5,5,2,2,0\n")
    assert found == {"a.jpg": [], "b.jpg": [("Tops", 4, 4, 6, 6)]}
    assert len(problems) == 1


@pytest.mark.parametrize("separator", [";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-be", "utf-16-le"])
@pytest.mark.parametrize("header", ["", "path,class,x,y,w,h\n"])
def test_a_file_saved_by_a_spreadsheet_is_read(read, separator, encoding, header):
    text = (header + "a.jpg,Tops,10,20,30,40\n").replace(",", separator).encode(encoding)
    assert fiat.looks_like(text)
    assert read(text) == ({"a.jpg": [("Tops", 10, 20, 40, 60)]}, [])


def test_decimal_commas_are_read_with_semicolons(read):
    assert read("a, b.jpg;Tops, red;10,5;20;30;40\n") == ({"a, b.jpg": [("Tops, red", 10.5, 20, 40.5, 60)]}, [])
    with pytest.raises(UserError, match="not FIAT's"):
        read("filename;class;xmin;ymin;xmax;ymax\na.jpg;Tops;1;2;30;40\n")


def test_classes_written_in_other_ways_are_one(read):
    found, problems = read("a.jpg,Ro\u0308cke,1,1,2,2\na.jpg,Röcke,1,1,2,2\na.jpg,Long\u00a0dress,1,1,2,2\n")
    assert [row[0] for row in found["a.jpg"]] == ["Röcke", "Röcke", "Long dress"]
    assert problems == [(NOT_PLAIN, "line 1: Röcke"), (NOT_PLAIN, "line 3: Long dress")]


@pytest.mark.parametrize("first", ['"a.jpg,Tops,1,1,2,2', "a.jpg,Tops", "a.jpg,Tops,x,y"])
def test_a_first_row_without_the_columns_does_not_make_the_file_unreadable(read, first):
    found, problems = read(f"{first}\nb.jpg,Tops,4,4,2,2\n")
    assert found.pop("b.jpg") == [("Tops", 4, 4, 6, 6)]
    assert found in ({}, {"a.jpg": []})
    assert len(problems) == 1


def test_rows_that_cannot_be_read_are_counted_for_their_photo(tmp_path):
    path = tmp_path / "out.csv"
    path.write_text("a.jpg,Tops,4,4,2,2\na.jpg,Tops,x,4,2,2\na.jpg,Tops\nb.jpg,Tops,4,4\nc.jpg,Tops,4,4,2,2\n")
    annotations, _ = fiat.read(path, "out.csv")
    assert {annotation.photo: (len(annotation.boxes), annotation.dropped) for annotation in annotations} == {
        "a.jpg": (1, 2),
        "b.jpg": (0, 1),
        "c.jpg": (1, 0),
    }


def test_other_column_names_drop_only_their_row(read):
    found, problems = read("image,label,left,top,Width,Height\nb.jpg,Tops,4,4,2,2\n")
    assert found["b.jpg"] == [("Tops", 4, 4, 6, 6)]
    assert len(problems) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not FIAT's"),
        (b"filename,width,height,class,xmin,ymin,xmax,ymax\na.jpg,9,9,Tops,1,1,5,5\n", "not FIAT's"),
        (b"\xff\xfe\x00", "neither UTF-8 nor UTF-16"),
        (b"path,class\n", "not FIAT's"),
        (b"filename,class,xmin,ymin,xmax,ymax\na.jpg,Tops,1,2,30,40\n", "not FIAT's"),
        (b"image,class,xmin,ymin,xmax,ymax,score\na.jpg,Tops,1,2,30,40,1\n", "not FIAT's"),
    ],
)
def test_another_file_is_refused_by_name(read, content, message):
    with pytest.raises(UserError, match=rf"out\.csv is {message}"):
        read(content)


def test_photos_of_one_name_in_two_folders_are_two(tmp_path):
    (tmp_path / "a.csv").write_text("red/0.jpg,Tops,1,2,3,4\nblue\\0.jpg,Tops,5,6,7,8\n./red/0.jpg,Tops,2,2,2,2\n")
    found, _ = fiat.read(tmp_path / "a.csv", "a.csv")
    assert [(each.photo, len(each.boxes)) for each in found] == [("red/0.jpg", 2), ("blue/0.jpg", 1)]


def test_a_label_table_is_not_taken_for_annotations():
    assert not fiat.looks_like(b"filename,class,xmin,ymin,xmax,ymax\n0.jpg,Dresses,10,10,200,300\n")
    assert fiat.looks_like(b"path,class,x,y,w,h\n0.jpg,Dresses,10,10,200,300\n")
    assert fiat.looks_like(b"0.jpg,Dresses,10,10,200,300\n")


def test_rows_without_end_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(csv_lines, "MAX_ROWS", 10)
    (tmp_path / "a.csv").write_text("a.jpg,Tops,1,2,3,4\n" * 10)
    assert len(fiat.read(tmp_path / "a.csv", "a.csv")[0][0].boxes) == 10
    (tmp_path / "a.csv").write_text("\n" * 11)
    with pytest.raises(UserError, match="more than 10 rows"):
        fiat.read(tmp_path / "a.csv", "a.csv")
