"""Seeded mutations of annotation files and tables: a clear error or a counted problem, and nothing else.

`FUZZ_CASES=10000 python -m pytest tests/apparel/test_hostile_annotations.py` tries more of them.
"""

import os
from random import Random

from apparel import boxes, fiat, repairs, voc
from apparel.annotations import Box, place
from apparel.drawn import labelimg
from apparel.errors import UserError
from apparel.photos import Header

CASES = int(os.environ.get("FUZZ_CASES", "600"))
PHOTO = Header("JPEG", 100, 80, 80, 100, 6, "RGB")

XML = labelimg("a.jpg", 100, [Box("Tops", (1, 2, 30, 40)), Box("Skirts", (10, 2, 90, 99), True)]).encode()
FIAT = b"path,class,center_x,center_y,w,h,o\n./a.jpg,Tops,50,60,20,10,-14.5\n./b.jpg,Skirts,5,6,2,1,0\n"
LABELS = b"filename,width,height,class,xmin,ymin,xmax,ymax\na.jpg,100,80,Tops,1,2,30,40\nb.jpg,9,9,Skirts,0,0,9,9\n"

TOKENS = [
    *(b"<", b">", b"&", b'"', b",", b"\n", b"\r", b"\0", b"\xff", b"\xef\xbb\xbf", b"\xff\xfe", b"]]>", b"<![CDATA["),
    *(b"nan", b"-inf", b"1e309", b"-1", b"0", b"9" * 400, b"0x10", b"1_0", "١٢".encode(), b"True", b"-0.0", b"1e-320"),
    *(b"<!DOCTYPE a [<!ENTITY b 'c'>]>", b"&b;", b"&#0;", b"&#x110000;", b"<?xml version='1.0' encoding='utf-16'?>"),
    *(
        b"<object>",
        b"</object>",
        b"<bndbox/>",
        b"<part>",
        b"</annotation>",
        b"<size/>",
        b"<name/>",
        b"xmlns='x'",
        b"x:",
    ),
    *(b"../../a.jpg", b"C:\\a.jpg", b"\xf0\x9f\x91\x97", b"\xed\xa0\x80", b"\x1b[31m", b"<a>" * 300, b"x" * 10_000),
]


def mutated(random, data):
    """A few random cuts, copies, flips and insertions."""
    for _ in range(random.randint(1, 6)):
        start = random.randrange(len(data) + 1)
        end = min(len(data), start + random.choice([0, 1, 1, 5, 50]))
        middle = random.choice([b"", data[start:end] * 2, random.choice(TOKENS), random.randbytes(end - start)])
        data = data[:start] + middle + data[end:]
    return data


def cases(seed, data):
    random = Random(seed)
    return (mutated(random, data) for _ in range(CASES))


def hold(annotation, problems):
    """What was read fits the photo, and every box that was lost on the way there is counted."""
    before = len(problems.found)
    kept = place(annotation, PHOTO, problems)
    assert len(kept) + sum(problem.outcome == "dropped" for problem in problems.found[before:]) == len(annotation.boxes)
    for box in kept:
        xmin, ymin, xmax, ymax = box.corners
        assert 0 <= xmin < xmax <= PHOTO.upright_width
        assert 0 <= ymin < ymax <= PHOTO.upright_height
    assert all(problem.detail.isprintable() for problem in problems.found)
    repairs.by_reason(problems.found)


def test_xml(tmp_path):
    path, read, refused = tmp_path / "a.xml", 0, 0
    for data in cases("xml", XML):
        path.write_bytes(data)
        try:
            annotation, problems = voc.read(path, "a.xml", first_pixel=1)
            hold(annotation, problems)
            read += 1
        except UserError as error:
            assert "a.xml" in str(error)
            refused += 1
    assert read > CASES / 20
    assert refused > CASES / 20


def test_fiat(tmp_path):
    path, read, refused = tmp_path / "a.csv", 0, 0
    for data in cases("fiat", FIAT):
        path.write_bytes(data)
        try:
            annotations, problems = fiat.read(path, "a.csv")
            for annotation in annotations:
                hold(annotation, problems)
            read += 1
        except UserError as error:
            assert "a.csv" in str(error)
            refused += 1
    assert read > CASES / 20
    assert refused > CASES / 20


def test_label_tables(tmp_path):
    path, read, refused = tmp_path / "labels.csv", 0, 0
    for data in cases("labels", LABELS):
        path.write_bytes(data)
        try:
            table = boxes.read(path)
            boxes.write(table, tmp_path / "again.csv")
            assert boxes.read(tmp_path / "again.csv").equals(table)
            read += 1
        except UserError as error:
            assert "labels.csv" in str(error)
            refused += 1
    assert read > CASES / 20
    assert refused > CASES / 20
