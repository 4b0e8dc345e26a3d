import pytest

from apparel.annotations import label_table
from apparel.annotations.records import SHARES
from apparel.errors import UserError

HEADER = "filename,width,height,class,xmin,ymin,xmax,ymax\n"


@pytest.fixture
def read(tmp_path):
    def read_text(content):
        path = tmp_path / "labels.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        assert label_table.looks_like(path.read_bytes())
        annotations, problems = label_table.read(path, "labels.csv")
        found = {
            annotation.photo: [(box.label, *box.corners) for box in annotation.boxes] for annotation in annotations
        }
        return found, [(problem.reason, problem.detail) for problem in problems.entries], annotations

    return read_text


def test_the_table_that_convert_writes_is_read(read):
    found, problems, annotations = read(
        HEADER + "a.jpg,40,30,Tops,0,1.5,20,30\na.jpg,40,30,Röcke,1,2,3,4\nb.jpg,,,x,1,2,3,4"
    )
    assert found == {"a.jpg": [("Tops", 0, 1.5, 20, 30), ("Röcke", 1, 2, 3, 4)], "b.jpg": [("x", 1, 2, 3, 4)]}
    assert [annotation.size for annotation in annotations] == [(40, 30), None] and problems == []


@pytest.mark.parametrize(
    "text",
    [
        "Image Name,x_min,y_min,x_max,y_max,Label\na.jpg,1,2,3,4,Tops\n",
        "label\tX1\tY1\tX2\tY2\timage_path\nTops\t1\t2\t3\t4\ta.jpg\n",
        "filename;class;xmin;ymin;xmax;ymax\na.jpg;Tops;1,0;2,0;3,0;4,0\n",
        "./a.jpg,1,2,3,4,Tops\n",
        HEADER.encode("utf-16") + "a.jpg,0,0,Tops,1,2,3,4".encode("utf-16-le"),
        HEADER + "a.jpg,9,9,Tops,3,4,1,2\n",
    ],
)
def test_other_usual_layouts_are_read(read, text):
    assert read(text)[0] == {"a.jpg": [("Tops", 1, 2, 3, 4)]}


def test_folders_before_a_name_are_kept_since_two_may_have_a_photo_of_this_name(read):
    assert list(read("train/a.jpg,1,2,3,4,Tops\ntest\\a.jpg,1,2,3,4,Tops\n")[0]) == ["train/a.jpg", "test/a.jpg"]


def test_a_photo_without_objects_has_empty_fields(read):
    assert read("a.jpg,,,,,\nb.jpg,1,2,3,4,Tops\n")[0] == {"a.jpg": [], "b.jpg": [("Tops", 1, 2, 3, 4)]}
    assert read(HEADER + "a.jpg,9,9,,,,,\n")[0] == {"a.jpg": []}


def test_corners_that_are_all_below_one_are_shares_of_the_sides(read):
    text = "ImageID,LabelName,XMin,XMax,YMin,YMax\na,Tops,0.25,0.5,0,1\n"
    found, _, annotations = read(text)
    assert found == {"a": [("Tops", 0.25, 0, 0.5, 1)]} and annotations[0].size == SHARES
    assert read(text + "b,Tops,3,9,0,1\n")[2][0].size is None


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("a.jpg,9,9,Tops,1,2,3", "row does not have the columns"),
        (",9,9,Tops,1,2,3,4", "row does not have the columns"),
        ('"a.jpg,9,9,Tops,1,2,3,4', "row does not have the columns"),
        ("a.jpg,9,9,Tops,1,2,3,x", "coordinate is not a number"),
        ("a.jpg,9,9,Tops,1,2,3,nan", "coordinate is not a number"),
        ("a.jpg,9,9,Tops,1,2,3,1e400", "coordinate is not a number"),
        ("a.jpg,9,9,Tops,1,2,3,9999999", "coordinate is beyond any photo"),
        ("a.jpg,9,9,,1,2,3,4", "object has no class"),
    ],
)
def test_a_row_that_holds_no_box_is_dropped_and_counted(read, row, reason):
    found, problems, annotations = read(f"{HEADER}a.jpg,9,9,Tops,1,2,3,4\n{row}\n")
    assert found == {"a.jpg": [("Tops", 1, 2, 3, 4)]}
    assert [problem[0] for problem in problems] == [reason] and problems[0][1].startswith("line 3")
    assert annotations[0].dropped == row.startswith("a.jpg")


def test_sizes_that_contradict_each_other_are_none(read):
    assert read(HEADER + "a.jpg,9,9,Tops,1,2,3,4\na.jpg,9,8,Tops,1,2,3,4\n")[2][0].size is None


@pytest.mark.parametrize("text", ["", "a,b,c\n", "path,class,x,y,w,h\n", "filename\na.jpg\n", "a.jpg,Tops,1,2,3,4\n"])
def test_other_tables_are_refused(tmp_path, text):
    path = tmp_path / "a.csv"
    path.write_text(text)
    assert not label_table.looks_like(text.encode())
    with pytest.raises(UserError, match="no table of labels"):
        label_table.read(path, "a.csv")
