import io
import json

import pytest
from PIL import Image

from apparel.data.ingest.file_kinds import SourceFiles, recognise
from tests.support.source_files import entries, photo

COCO = json.dumps({"images": [], "annotations": [{"bbox": []}], "categories": []})


def palette():
    data = io.BytesIO()
    Image.new("P", (8, 6)).save(data, "PNG")
    return data.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "kind", "note"),
    [
        ("a.jpg", photo(), "photo", ""),
        ("a.xml", "<annotation verified='yes'/>", "xml", ""),
        ("a.xml", "<Annotation></Annotation>", "xml", ""),
        ("a.xml", "<annotations><image/></annotations>", "not read", "CVAT XML"),
        ("a.xml", "<dataset><images/></dataset>", "not read", "dlib XML"),
        ("a.xml", "<project/>", "", ""),
        ("a.txt", "0 0.5 0.5 1 1\n", "yolo", ""),
        ("a.txt", "words\n", "text", ""),
        ("classes.txt", "0\n", "classes", ""),
        ("obj.names", "a\n", "classes", ""),
        ("_darknet.labels", "a\n", "classes", ""),
        ("data.yaml", "nc: 1\nnames: ['a']\n", "classes", ""),
        ("other.yaml", "a: 1\n", "", ""),
        ("a.json", COCO, "coco", ""),
        ("a.json", '{"shapes": [], "imagePath": "a.jpg"}', "not read", "LabelMe JSON"),
        ("a.json", '{"x": {"regions": [{"shape_attributes": {}}]}}', "not read", "VGG Image Annotator (VIA) JSON"),
        ("a.json", '[{"annotations": [{"coordinates": {}}]}]', "not read", "CreateML JSON"),
        ("a.json", '{"images": [], "annotations": []}', "not read", "COCO JSON without boxes"),
        ("package.json", "{}", "", ""),
        ("a.csv", "a.jpg,Tops,1,2,3,4\n", "fiat", ""),
        ("a.csv", "filename,class,xmin,ymin,xmax,ymax\n", "label table", ""),
        ("a.csv", "filename,region_shape_attributes\n", "not read", "VGG Image Annotator (VIA) CSV"),
        ("a.csv", "filename\n", "list", ""),
        ("renamed.csv", "part,name,source\n", "renamed", ""),
        ("train.tfrecord", "x", "not read", "TFRecord"),
        ("train.record-00000-of-00010", "x", "not read", "TFRecord"),
        ("a.MP4", "x", "not read", "video"),
        ("a.parquet", "x", "not read", "Parquet or Arrow"),
        ("a.nef", photo("red", "TIFF"), "not read", "camera raw photo"),
        ("VOC/SegmentationClass/a.png", palette(), "not read", "segmentation mask"),
        ("train_masks/a.png", palette(), "not read", "segmentation mask"),
        ("face masks for sale/a.png", palette(), "photo", ""),
        ("masks/a.jpg", photo(), "photo", ""),
        ("a.py", "x", "", ""),
    ],
)
def test_the_kind_of_a_file_is_told_by_its_content_and_its_suffix(tmp_path, name, content, kind, note):
    (entry,) = entries(tmp_path, {name: content})
    found = recognise(entry)
    assert (found.kind, found.note) == (kind, note)


def test_texts_are_told_apart_by_the_photos(tmp_path):
    files = {
        "1.jpg": photo(),
        "2.jpg": photo(),
        "1.txt": "0 0.5 0.5 1 1\n",
        "2.txt": "\n",
        "readme.txt": "words\n",
        "train.txt": "1\n2\n",
        "other/1.txt": "Car 0 0 1 2 3 4\n",
    }
    source = SourceFiles(entries(tmp_path, files))
    names = {kind: [entry.name for entry in found] for kind, found in source.kinds.items()}
    assert names["yolo"] == ["1.txt", "2.txt"] and names["photo list"] == ["train.txt"]
    assert names["text"] == ["readme.txt"]
    assert source.not_read == {"text beside a photo, in another layout than YOLO's": ["other/1.txt"]}


def test_numbers_without_photos_of_their_name_are_not_yolos(tmp_path):
    source = SourceFiles(entries(tmp_path, {"1.jpg": photo(), "weights.txt": "0 0.5 0.5 1 1\n"}))
    assert not source.kinds["yolo"] and len(source.kinds["text"]) == 1


def test_a_file_that_is_too_large_for_its_kind_is_left_out(tmp_path):
    path = tmp_path / "a.xml"
    with path.open("wb") as file:
        file.truncate(6_000_000)
    source = SourceFiles(entries(tmp_path, {}) + [type(entries(tmp_path, {"a": ""})[0])("a.xml", path)])
    assert source.left_out == ["a.xml is larger than 5,000,000 bytes, too large for a .xml file"]
