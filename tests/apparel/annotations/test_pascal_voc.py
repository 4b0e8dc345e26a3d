"""PASCAL VOC files are read in any encoding; hostile ones are refused by name."""

import pytest

from apparel.annotations import pascal_voc
from apparel.annotations.fields import NOT_PLAIN
from apparel.errors import UserError
from tests.support import voc_files
from tests.support.voc_files import BOX, SIZE, obj, xml


@pytest.fixture
def read(tmp_path):
    return voc_files.reader(tmp_path)


def test_a_file_of_labelimg_is_read(read):
    annotation, problems = read(xml(obj(), obj("Skirts", more="<pose>Left</pose><difficult>1</difficult>")))
    assert problems == []
    assert (annotation.file, annotation.photo, annotation.stem, annotation.size) == (
        "in/a.xml",
        "a.jpg",
        "a",
        (100, 80),
    )
    assert [(box.label, box.corners, box.difficult) for box in annotation.boxes] == [
        ("Tops", (1, 2, 30, 40), False),
        ("Skirts", (1, 2, 30, 40), True),
    ]


@pytest.mark.parametrize("written", ["C:\\photos\\a.jpg", "/home/me/a.jpg", "x/y\\a.jpg", " a.jpg\n", "../../a.jpg"])
def test_the_photo_is_the_last_part_of_the_written_path(read, written):
    assert read(xml(filename=f"<filename>{written}</filename>"))[0].photo == "a.jpg"


def test_pixels_counted_from_one_become_half_open_boxes_from_zero(read):
    assert read(xml(obj()), first_pixel=1)[0].boxes[0].corners == (0, 1, 30, 40)


def test_swapped_corners_are_repaired_before_the_first_pixel_is_subtracted(read):
    swapped = "<bndbox><xmin>30.5</xmin><ymin>2</ymin><xmax>1</xmax><ymax>40</ymax></bndbox>"
    annotation, problems = read(xml(obj(box=swapped)), first_pixel=1)
    assert annotation.boxes[0].corners == (0, 1, 30.5, 40)
    assert problems == [("repaired", "corners are swapped")]


def test_the_boxes_of_parts_are_not_the_objects(read):
    part = f"<part><name>Sleeve</name>{BOX.replace('30', '3')}</part>"
    annotation, problems = read(
        xml(f"<object>{part}<name>Tops</name>{BOX}</object>", f"<object><name>Tops</name>{part}</object>")
    )
    assert [box.corners for box in annotation.boxes] == [(1, 2, 30, 40)]
    assert problems == [("dropped", "object has no box")]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (obj(box=""), ("dropped", "object has no box")),
        (obj(box="<bndbox><xmin>1</xmin></bndbox>"), ("dropped", "coordinate is not a number")),
        (obj(box="<bndbox/>"), ("dropped", "coordinate is not a number")),
        (f"<object>{BOX}</object>", ("dropped", "object has no class")),
        (obj(name=" \n"), ("dropped", "object has no class")),
        (obj(box=BOX.replace("30", "nan")), ("dropped", "coordinate is not a number")),
        (obj(box=BOX.replace("30", "-inf")), ("dropped", "coordinate is not a number")),
        (obj(box=BOX.replace("30", "3_0")), ("dropped", "coordinate is not a number")),
        (obj(box=BOX.replace("30", "30,5")), ("dropped", "coordinate is not a number")),
        (obj(box=BOX.replace("30", "0x1E")), ("dropped", "coordinate is not a number")),
        (obj(box=BOX.replace("30", "9" * 1000)), ("dropped", "coordinate is not a number")),
        (obj(box=BOX.replace("30", "1e7")), ("dropped", "coordinate is beyond any photo")),
    ],
)
def test_what_is_no_box_is_dropped_and_the_others_stay(read, content, problem):
    annotation, problems = read(xml(content, obj("Skirts")))
    assert [box.label for box in annotation.boxes] == ["Skirts"]
    assert problems == [problem]


def test_white_space_around_a_class_is_removed(read):
    annotation, problems = read(xml(obj("\n  Active Wear ")))
    assert annotation.boxes[0].label == "Active Wear"
    assert problems == [("repaired", "class name has white space around it")]


@pytest.mark.parametrize(
    ("written", "label"),
    [
        ("Long\n   dress", "Long dress"),
        ("Long\u00a0dress", "Long dress"),
        ("Long  dress", "Long dress"),
        (" Ro\u0308cke\n", "Röcke"),
        ("Tops\u200b", "Tops?"),
        ("T" * 300, "T" * 200),
    ],
)
def test_a_class_is_plain_text_on_one_line(read, written, label):
    annotation, problems = read(xml(obj(written)))
    assert annotation.boxes[0].label == label
    assert problems == [("repaired", NOT_PLAIN)]


@pytest.mark.parametrize(
    "size",
    [
        "",
        "<size/>",
        "<size><width>0</width><height>0</height></size>",
        "<size><width>100</width></size>",
        "<size><width>wide</width><height>80</height></size>",
        "<size><width>-5</width><height>80</height></size>",
        "<size><width>99.5</width><height>80</height></size>",
        "<size><width>nan</width><height>80</height></size>",
    ],
)
def test_an_invalid_size_is_none(read, size):
    annotation, problems = read(xml(obj(), size=size))
    assert annotation.size is None
    assert len(annotation.boxes) == 1
    assert problems == [("repaired", "size is missing or zero; taken from the photo")]


def test_a_size_beyond_any_photo_is_none(read):
    annotation, problems = read(xml(obj(), size="<size><width>1e20</width><height>1e20</height></size>"))
    assert (annotation.size, len(annotation.boxes)) == (None, 1)
    assert problems == [("repaired", "size is beyond any photo; taken from the photo")]


def test_an_annotation_without_objects_is_read(read):
    annotation, _ = read("<annotation/>")
    assert (annotation.photo, annotation.boxes, annotation.stem) == ("", (), "a")


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "iso-8859-1", "windows-1252", "latin-1", "latin_1", "cp850"]
)
def test_any_declared_encoding_is_read(read, encoding):
    declared = {"utf-8-sig": "utf-8"}.get(encoding, encoding)
    text = f'<?xml version="1.0" encoding="{declared}"?>' + xml(obj("Röcke"))
    assert read(text.encode(encoding))[0].boxes[0].label == "Röcke"


@pytest.mark.parametrize("declared", ["utf-16", "UTF-16LE", "utf32", "ISO-10646-UCS-2"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_utf_8_declared_as_a_wider_encoding_is_read(read, declared, encoding):
    text = f'<?xml version="1.0" encoding="{declared}"?>' + xml(obj("Röcke"))
    annotation, problems = read(text.encode(encoding))
    assert annotation.boxes[0].label == "Röcke" and problems == []


def test_white_space_before_the_declaration_does_no_harm(read):
    annotation, problems = read('\n <?xml version="1.0" encoding="utf-8"?>' + xml(obj()))
    assert len(annotation.boxes) == 1 and problems == []


def test_east_asian_encodings_are_read(read):
    for encoding in ("gbk", "shift_jis"):
        text = f'<?xml version="1.0" encoding="{encoding}"?>' + xml(obj("上衣"))
        assert read(text.encode(encoding))[0].boxes[0].label == "上衣"


ENTITIES = "".join(f'<!ENTITY {new} "{f"&{old};" * 10}">' for old, new in zip("abcdefghi", "bcdefghij", strict=True))
BOMB = f'<!DOCTYPE annotation [<!ENTITY a "aaaaaaaaaa">{ENTITIES}]><annotation b="&j;">&j;</annotation>'


@pytest.mark.parametrize(
    "content",
    [
        BOMB,
        BOMB.encode("utf-16"),
        '<!DOCTYPE annotation SYSTEM "file:///etc/passwd"><annotation/>',
        '<!DOCTYPE annotation [<!ENTITY x SYSTEM "file:///etc/passwd">]><annotation><filename>&x;</filename></annotation>',
        '<!DOCTYPE annotation [<!ENTITY % x SYSTEM "http://localhost:9/x.dtd"> %x;]><annotation/>',
        "<!DOCTYPE annotation><annotation/>",
    ],
)
def test_a_document_type_is_refused_by_name(read, content):
    with pytest.raises(UserError, match=r"a\.xml is refused: it has a document type"):
        read(content)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not sound XML"),
        (b"\x00" * 50, "not sound XML"),
        (b"GIF89a", "not sound XML"),
        ("<annotation>é</annotation>".encode("cp1252"), "not sound XML.*encod"),
        (b'<?xml version="1.0" encoding="klingon"?><annotation/>', "not sound XML.*encoding"),
        (b"<annotation><object></annotation>", "not sound XML.*mismatch"),
        (b"<annotation>&nbsp;</annotation>", "not sound XML.*nbsp"),
        (b"<annotation/><annotation/>", "not sound XML"),
        (b"<a>" * 1_500_000, "not sound XML"),
        (b"<a>" * 500 + b"</a>" * 500, "not"),
        (b"<annotations><image/></annotations>", "not a PASCAL VOC annotation: its root is <annotations>"),
        (b"<annotation>" + b" " * pascal_voc.MAX_BYTES + b"</annotation>", "larger than 5,000,000 bytes"),
    ],
)
def test_a_file_that_is_not_an_annotation_is_refused_by_name(read, content, message):
    with pytest.raises(UserError, match=f"(?i)a.xml.*{message}"):
        read(content)


def test_a_missing_file_and_a_folder_are_refused_by_name(tmp_path):
    for path in (tmp_path / "none.xml", tmp_path):
        with pytest.raises(UserError, match=path.name):
            pascal_voc.read(path, path.name)


def test_comments_and_character_data_do_not_hide_values(read):
    box = BOX.replace("30", "<!-- thirty -->3<!-- 3 -->0").replace("40", "<![CDATA[40]]>")
    assert read(xml(obj(box=box)))[0].boxes[0].corners == (1, 2, 30, 40)


def test_many_boxes_are_read(read):
    assert len(read(xml(*[obj()] * 10_000))[0].boxes) == 10_000


def test_names_and_sizes_that_contradict_each_other_are_not_used(read):
    names, sizes = "<filename>a.jpg</filename><filename>b.jpg</filename>", SIZE + SIZE.replace("100", "99")
    annotation, problems = read(xml(obj(), filename=names, size=sizes))
    assert (annotation.photo, annotation.size, len(annotation.boxes)) == ("", None, 1)
    assert [reason for _, reason in problems] == [
        "file name is there more than once; not used",
        "size is missing or zero; taken from the photo",
    ]
