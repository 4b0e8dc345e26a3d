"""Objects are found at any depth, and whatever looks like one is not passed over."""

import pytest
from lxml import etree

from apparel.annotations.voc_objects import find_objects, fold_names
from tests.support import voc_files
from tests.support.voc_files import BOX, obj, xml

UNREAD = "looks like an object, but is none of PASCAL VOC's"


@pytest.fixture
def read(tmp_path):
    return voc_files.reader(tmp_path)


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


@pytest.mark.parametrize(
    "content",
    [
        f"<objects>{obj()}{obj('Skirts')}</objects>",
        f"<objects><group>{obj()}</group></objects>{obj('Skirts')}",
        f"<object><name>Tops</name>{BOX}{obj('Skirts')}</object>",
        f"<obj><name>Tops</name>{BOX}</obj><item><name>Skirts</name>{BOX}</item>",
        (obj() + obj("Skirts")).replace("object>", "Object>").replace("name>", "NAME>").replace("xmin>", "xMin>"),
        (obj() + obj("Skirts")).replace("bndbox>", "BndBox>"),
        f"<source>{obj()}</source><owner><group>{obj('Skirts')}</group></owner>",
    ],
)
def test_objects_are_read_wherever_they_are_and_in_any_case(read, content):
    annotation, problems = read(xml(content))
    assert [(box.label, box.corners) for box in annotation.boxes] == [
        ("Tops", (1, 2, 30, 40)),
        ("Skirts", (1, 2, 30, 40)),
    ]
    assert (annotation.dropped, problems) == (0, [])


def test_namespaces_do_not_hide_objects(read):
    for text in (
        xml(obj()).replace("<annotation>", '<annotation xmlns="urn:voc">'),
        xml(obj()).replace("<", "<v:").replace("<v:/", "</v:").replace("<v:annotation>", '<v:annotation xmlns:v="u">'),
        xml(obj()).replace("annotation>", "Annotation>"),
    ):
        annotation, problems = read(text)
        assert (annotation.photo, annotation.size, len(annotation.boxes)) == ("a.jpg", (100, 80), 1)
        assert problems == []


@pytest.mark.parametrize(
    ("content", "reason", "lost"),
    [
        (obj(box=BOX + BOX), "object has several boxes", 2),
        (obj(more="<name>Skirts</name>"), "object has several classes", 1),
        (obj(box="<polygon><x1>1</x1><y1>2</y1></polygon>"), "coordinate is not a number", 1),
        (
            obj(box="<robndbox><cx>50</cx><cy>40</cy><w>9</w><h>9</h></robndbox>"),
            "coordinate is not a number",
            1,
        ),
        (obj(box="<polygon/><polygon/>"), "object has several boxes", 2),
        (obj(box="<circle><cx>50</cx><cy>40</cy><r>9</r></circle>"), "object has no box", 1),
        (BOX, UNREAD, 1),
        (f"<obj><label>Tops</label>{BOX}</obj>", UNREAD, 1),
        ("<objects><item><class>Tops</class><coords>1, 2, 30, 40</coords></item></objects>", UNREAD, 1),
        ("<item><class>Tops</class><x1>1</x1><y1>2</y1><x2>30</x2><y2>40</y2></item>", UNREAD, 1),
        ('<box label="Tops" xtl="1" ytl="2" xbr="30" ybr="40"/>', UNREAD, 1),
        ('<shape name="Tops" left="1" top="2" width="30" height="40"/>', UNREAD, 1),
        ("<polygon><pt><x>1</x><y>2</y></pt></polygon>", UNREAD, 1),
        ("<obj><name>Tops</name></obj>", UNREAD, 1),
        ("<objects>Tops 1 2 30 40</objects>", UNREAD, 1),
        ('<data>{"class": "Tops", "bbox": [1, 2, 30.5, 40]}</data>', UNREAD, 1),
        ("<data>{'xmin':1,'ymin':2,'xmax':30,'ymax':40}</data>", UNREAD, 1),
        (f"<part><name>Sleeve</name>{BOX}</part>", UNREAD, 1),
    ],
)
def test_what_looks_like_an_object_and_is_not_read_is_counted(read, content, reason, lost):
    annotation, problems = read(xml(content))
    assert (annotation.boxes, annotation.dropped) == ((), lost)
    assert problems == [("dropped", reason)]


@pytest.mark.parametrize(
    "content",
    [
        "<objects/>",
        "<segmented>0</segmented><verified>1</verified><scenedescription>1 2 3 4</scenedescription>",
        "<source><submittedBy>me</submittedBy><date>2026 11 28 12</date></source>",
        "<date>2026-11-28 12:30:00.5</date><time>28.11.2026 12:30</time><edited by='me at 1.2.3.4'/>",
    ],
)
def test_fields_of_the_photo_are_no_objects(read, content):
    annotation, problems = read(xml(content))
    assert (annotation.boxes, annotation.dropped, problems) == ((), 0, [])


def test_an_object_that_was_deleted_in_labelme_is_left_out(read):
    annotation, problems = read(xml(obj(more="<deleted>1</deleted>"), obj("Skirts", more="<deleted>0</deleted>")))
    assert ([box.label for box in annotation.boxes], annotation.dropped) == (["Skirts"], 0)
    assert problems == [("noted", "object is marked as deleted; left out")]
