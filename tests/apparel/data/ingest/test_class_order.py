import pytest

from apparel.data.ingest.class_order import find_class_order
from apparel.errors import UserError
from tests.support.source_files import entries


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("classes.txt", "Tops\nSkirts\n"),
        ("obj.names", "Tops\r\nSkirts"),
        ("data.yaml", "names: [Tops, Skirts]\n"),
        ("data.yaml", "names:\n  1: Skirts\n  0: Tops\n"),
        ("data.yml", "nc: 2\nnames:\n- Tops\n- 'Skirts'\n"),
    ],
)
def test_the_order_is_read(tmp_path, name, content):
    assert find_class_order(entries(tmp_path, {name: content}), None) == ["Tops", "Skirts"]


def test_a_number_without_a_name_stays_one(tmp_path):
    assert find_class_order(entries(tmp_path, {"data.yaml": "names: {0: Tops, 2: 3}\n"}), None) == ["Tops", "", "3"]


def test_lists_that_agree_are_one_and_those_that_differ_are_refused(tmp_path):
    files = {"a/classes.txt": "Tops\n", "b/data.yaml": "names: [Tops]\n", "c/data.yaml": "path: x\n"}
    assert find_class_order(entries(tmp_path, files), None) == ["Tops"]
    found = entries(tmp_path, files | {"d/classes.txt": "Skirts\n"})
    with pytest.raises(UserError, match=r"a/classes\.txt \(Tops\) and d/classes\.txt \(Skirts\).*--classes"):
        find_class_order(found, None)
    assert find_class_order(found, ["Shorts"]) == ["Shorts"]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "no list of classes beside them.*--classes 'a,b,c'"),
        ({"data.yaml": "kpt_shape: [17, 3]\nnames: [person]\n"}, "keypoints, which are not read"),
        ({"data.yaml": "names: {a: b}\n"}, "names should be by number"),
        ({"data.yaml": "names: {999999999: b}\n"}, "names should be by number"),
        ({"data.yaml": "names: [[a]]\n"}, "names should be a list of names"),
        ({"data.yaml": "names: [\n"}, "not valid YAML"),
        ({"classes.txt": "\n"}, "no list of classes"),
    ],
)
def test_an_order_that_is_missing_or_cannot_be_used_is_refused(tmp_path, files, message):
    with pytest.raises(UserError, match=message):
        find_class_order(entries(tmp_path, files), None)
