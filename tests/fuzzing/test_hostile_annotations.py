"""Mutated annotation files, tables and photos: a clear error or a counted problem, and nothing else."""

import sys
from pathlib import Path

import pytest
from hypothesis import strategies as st

from apparel import boxes, images
from apparel.annotations import coco_json, fiat, label_table, pascal_voc, report, yolo
from apparel.annotations.frames import decide_frames
from apparel.annotations.placement import place_boxes
from apparel.annotations.records import Box
from apparel.data.synthetic.dataset import labelimg_xml
from apparel.images import Header
from tests.support import photo_files
from tests.support.fuzzing import CASES, mutated, outcomes

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="tells hangs by a POSIX signal"),
    # As apparel.images has it; pytest sets the filters back before each test.
    pytest.mark.filterwarnings("ignore::UserWarning:PIL.TiffImagePlugin"),
    pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning"),
]

PHOTO = Header("JPEG", 100, 80, 80, 100, 6, "RGB")
XML = labelimg_xml("a.jpg", 100, [Box("Tops", (1, 2, 30, 40)), Box("Skirts", (10, 2, 90, 99), True)]).encode()
FIAT = b"path,class,center_x,center_y,w,h,o\n./a.jpg,Tops,50,60,20,10,-14.5\n./b.jpg,Skirts,5,6,2,1,0\n"
LABELS = b"filename,width,height,class,xmin,ymin,xmax,ymax\na.jpg,100,80,Tops,1,2,30,40\nb.jpg,9,9,Skirts,0,0,9,9\n"


YOLO = b"0 0.5 0.5 0.2 0.4\n1 0.1 0.2 0.3 0.2 0.3 0.9 0.1 0.9\n0 1 1 0.1 0.1\n"
COCO = (
    b'{"images": [{"id": 1, "file_name": "a.jpg", "width": 80, "height": 100}, {"id": 2, "file_name": "b.jpg"}],'
    b'"annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 30, 40], "iscrowd": 0},'
    b'{"id": 2, "image_id": 2, "category_id": 1, "segmentation": [[1, 2, 3, 4, 9, 8]]}],'
    b'"categories": [{"id": 1, "name": "Tops"}]}'
)


def hold(annotation, problems):
    """What was read fits the photo, and every box that was lost on the way there is counted."""
    before = len(problems.entries)
    frames, _ = decide_frames({"a.jpg": (annotation, PHOTO)}, exif="stored", sizes="own")
    kept = place_boxes(annotation, PHOTO, frames["a.jpg"], problems)
    dropped = sum(problem.boxes for problem in problems.entries[before:] if problem.outcome == "dropped")
    assert len(kept) + dropped == len(annotation.boxes)
    for box in kept:
        xmin, ymin, xmax, ymax = box.corners
        assert 0 <= xmin < xmax <= PHOTO.upright_width
        assert 0 <= ymin < ymax <= PHOTO.upright_height
    assert all(problem.detail.isprintable() for problem in problems.entries)
    report.group_by_reason(problems.entries)


def read_xml(path: Path) -> None:
    hold(*pascal_voc.read(path, path.name, first_pixel=1))


def read_fiat(path: Path) -> None:
    annotations, problems = fiat.read(path, path.name)
    for annotation in annotations:
        hold(annotation, problems)


def read_yolo(path: Path) -> None:
    hold(*yolo.read(path, path.name, ["Tops", "Skirts"]))


def read_coco(path: Path) -> None:
    annotations, problems = coco_json.read(path, path.name)
    for annotation in annotations:
        hold(annotation, problems)


def read_label_table(path: Path) -> None:
    annotations, problems = label_table.read(path, path.name)
    for annotation in annotations:
        hold(annotation, problems)


def read_labels(path: Path) -> None:
    table, again = boxes.read_labels(path), path.with_name("again.csv")
    boxes.write_labels(table, again)
    assert boxes.read_labels(again).equals(table)


def read_photo(path: Path) -> None:
    size = images.read(path).size
    header = images.read_header(path)
    assert size == (header.upright_width, header.upright_height)


@pytest.mark.parametrize(
    ("name", "data", "read"),
    [
        ("a.xml", XML, read_xml),
        ("a.csv", FIAT, read_fiat),
        ("a.txt", YOLO, read_yolo),
        ("a.json", COCO, read_coco),
        ("table.csv", LABELS, read_label_table),
        ("labels.csv", LABELS, read_labels),
    ],
)
def test_a_mutated_file_is_refused_by_name_or_all_that_is_lost_is_counted(tmp_path, name, data, read):
    def attempt(content: bytes) -> None:
        (tmp_path / name).write_bytes(content)
        read(tmp_path / name)

    found = outcomes(mutated(data), attempt, named=name)
    assert min(found["taken"], found["refused"]) > CASES / 50


def test_a_mutated_photo_is_refused_by_name_or_has_the_size_that_its_header_says(tmp_path):
    path, kinds = tmp_path / "photo", []
    for name, save in (photo_files.IN_COLOUR | photo_files.IN_GREY).items():
        save(tmp_path / name)
        kinds.append((tmp_path / name).read_bytes())

    def attempt(content: bytes) -> None:
        path.write_bytes(content)
        read_photo(path)

    found = outcomes(st.sampled_from(kinds).flatmap(mutated), attempt, named=str(path))
    assert min(found["taken"], found["refused"]) > CASES / 50


NESTED = b"<annotation>" + b"<a>" * 3_500_000
ENTITIES = b"<!DOCTYPE a [<!ENTITY b 'cc'><!ENTITY c '&b;&b;'>]><annotation><filename>&c;</filename></annotation>"


@pytest.mark.parametrize(
    "content",
    [
        *(NESTED, NESTED[:4_000_000], NESTED[:3_000], ENTITIES, ENTITIES.decode().encode("utf-16")),
        *(b"<!DOCTYPE a SYSTEM 'file:///etc/passwd'><annotation/>", "<annotation>é</annotation>".encode("latin-1")),
        *(
            b"<?xml version='1.0' encoding='utf-16'?><annotation>\xe9</annotation>",
            b"<?xml version='1.0' encoding='x'?><annotation/>",
        ),
        *(b"<annotation " + b"a" * 4_000_000 + b"='1'/>", b"", b"\0" * 100, b"<annotation><object></annotation>"),
    ],
    ids=range(13),
)
def test_bombs_and_wrong_encodings_are_refused_by_name(tmp_path, content):
    def attempt(content: bytes) -> None:
        (tmp_path / "a.xml").write_bytes(content)
        read_xml(tmp_path / "a.xml")

    assert outcomes(st.just(content), attempt, named="a.xml") == {"refused": 1}
