"""Objects are found at any depth, and whatever looks like one is not passed over."""

from lxml import etree

from apparel.annotations.voc_objects import find_objects, fold_names

BOX = "<bndbox><xmin>1</xmin></bndbox>"


def tags(text):
    """The names of the objects and of the unread elements in a text."""
    root = etree.fromstring(text)
    fold_names(root)
    return tuple([element.tag for element in elements] for elements in find_objects(root))


def test_names_lose_case_and_namespace():
    root = etree.fromstring('<A xmlns="u" xmlns:v="w"><v:BndBox/></A>')
    fold_names(root)
    assert [element.tag for element in root.iter()] == ["a", "bndbox"]


def test_objects_come_in_the_files_order():
    text = (
        f"<a><objects><object/><obj><name/>{BOX}</obj></objects><object><object/><part><name/>{BOX}</part></object></a>"
    )
    assert tags(text) == (["object", "obj", "object", "object"], [])


def test_each_shape_outside_an_object_is_unread():
    assert tags(f"<a>{BOX}<w><polygon/><x><point/></x></w><object>{BOX}<polygon/></object></a>") == (
        ["object"],
        ["bndbox", "polygon", "point"],
    )


def test_what_describes_the_photo_is_passed_over():
    assert tags("<a><size><width>1</width><b>1</b><c>2</c><d>3</d></size><path>1 2 3 4</path></a>") == ([], [])
