import pytest

from apparel.annotations.formats import list_annotation_files, open_annotations
from apparel.errors import UserError

COCO = '{"images": [{"id": 1, "file_name": "a/1.jpg"}], "annotations": [], "categories": []}'
FILES = {
    "1.xml": "<annotation><filename>1.jpg</filename></annotation>",
    "2.txt": "0 0.5 0.5 1 1",
    "deep/3.json": COCO,
    "4.csv": "a/1.jpg,Tops,1,2,3,4",
    "5.CSV": "filename,class,xmin,ymin,xmax,ymax\na/1.jpg,Tops,1,2,3,4",
}


def write(folder, files):
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)


def test_each_format_is_read_by_its_own_reader(tmp_path):
    others = {"classes.txt": "Tops\n", "renamed.csv": "part,name,source\n", ".hidden.xml": "", "note.md": ""}
    write(tmp_path, FILES | others)
    files = list_annotation_files(tmp_path)
    assert [file.as_posix() for file in files] == list(FILES)[:2] + ["4.csv", "5.CSV", "deep/3.json"]
    reader = open_annotations(tmp_path, first_pixel=0)
    found = {file.name: reader.read(file)[0][0] for file in files}
    assert {name: annotation.photo for name, annotation in found.items()} == {
        name: "" if name == "2.txt" else "1.jpg" for name in found
    }
    assert [box.label for name in ("2.txt", "4.csv", "5.CSV") for box in found[name].boxes] == ["Tops"] * 3


def test_names_of_photos_that_an_import_renamed_are_translated(tmp_path):
    rows = "photos,a_1.jpg,a/1.jpg\nphotos,b_1.jpg,b/1.jpg\nannotations,b_1.xml,b/1.xml\n"
    write(tmp_path, {"renamed.csv": f"part,name,source\n{rows}", "4.csv": FILES["4.csv"], "b_1.xml": FILES["1.xml"]})
    reader = open_annotations(tmp_path, first_pixel=0)
    assert [reader.read(file)[0][0].photo for file in list_annotation_files(tmp_path)] == ["a_1.jpg", "b_1.jpg"]


def test_yolos_files_without_the_order_of_the_classes_are_refused(tmp_path):
    write(tmp_path, {"2.txt": FILES["2.txt"]})
    with pytest.raises(UserError, match=r"2\.txt: YOLO's files number their classes; name them in classes\.txt"):
        open_annotations(tmp_path, first_pixel=0).read(list_annotation_files(tmp_path)[0])
