"""The corners of an object's shape; a box goes before other shapes."""

import math

import pytest
from lxml import etree

from apparel.annotations.problems import Problems
from apparel.annotations.voc_shapes import read_corners
from tests.support import voc_files
from tests.support.voc_files import obj, xml

BOX = "<bndbox><xmin>30</xmin><ymin>2</ymin><xmax>1</xmax><ymax>40</ymax></bndbox>"
POLYGON = "<polygon><x1>5</x1><y1>6</y1><x2>50</x2><y2>8</y2><x3>20</x3><y3>70</y3></polygon>"
TURNED = "<robndbox><cx>50</cx><cy>40</cy><w>20</w><h>10</h><angle>0</angle></robndbox>"


@pytest.fixture
def read(tmp_path):
    return voc_files.reader(tmp_path)


@pytest.mark.parametrize(
    ("shapes", "corners"),
    [
        (BOX + POLYGON + TURNED, (1, 2, 30, 40)),
        (POLYGON + TURNED, (40, 35, 60, 45)),
        (POLYGON, (5, 6, 50, 70)),
        (f"<part>{BOX}</part>", None),
        (POLYGON + POLYGON, None),
    ],
)
def test_the_first_kind_of_shape_counts(shapes, corners):
    problems = Problems("a.xml")
    assert read_corners(etree.fromstring(f"<object>{shapes}</object>"), "Tops", problems) == corners
    assert any(problem.outcome == "dropped" for problem in problems.entries) == (corners is None)


@pytest.mark.parametrize(("degrees", "corners"), [("90.0", (-3.5, 6.5, 34.5, 35.5)), ("0.0", (1, 2, 30, 40))])
def test_a_box_rotated_by_cvat_becomes_its_hull(read, degrees, corners):
    rotation = f"<attribute><name>rotation</name><value>{degrees}</value></attribute>"
    colour = "<attribute><name>colour</name><value>7</value></attribute>"
    annotation, problems = read(xml(obj(more=f"<attributes>{colour}{rotation}</attributes>")))
    assert annotation.boxes[0].corners == pytest.approx(corners)
    assert problems == [("repaired", "box is turned; its upright hull is taken")] * (degrees != "0.0")


def test_a_box_whose_rotation_is_not_a_number_is_dropped(read):
    rotation = "<attributes><attribute><name>rotation</name><value>a bit</value></attribute></attributes>"
    annotation, problems = read(xml(obj(more=rotation)))
    assert (annotation.boxes, annotation.dropped) == ((), 1)
    assert problems == [("dropped", "rotation is not a number")]


@pytest.mark.parametrize(
    ("points", "corners"),
    [
        ("<x1>5</x1><y1>6</y1><x2>50</x2><y2>8</y2><x3>20</x3><y3>70.5</y3>", (5, 6, 50, 70.5)),
        ("<pt><x>5</x><y>6</y></pt><pt><x>50</x><y>8</y></pt><pt><x>20</x><y>70</y></pt>", (5, 6, 50, 70)),
    ],
)
def test_of_a_polygon_the_hull_is_read(read, points, corners):
    annotation, problems = read(xml(obj(box=f"<polygon>{points}</polygon>")))
    assert annotation.boxes[0].corners == corners
    assert problems == [("repaired", "object has a polygon; its upright hull is taken")]


def test_of_a_turned_box_of_rolabelimg_the_hull_is_read(read):
    numbers = f"<cx>50</cx><cy>40</cy><w>20</w><h>10</h><angle>{math.pi / 2}</angle>"
    annotation, problems = read(xml(obj(box=f"<robndbox>{numbers}</robndbox>")))
    assert annotation.boxes[0].corners == pytest.approx((45, 30, 55, 50))
    assert problems == [("repaired", "box is turned; its upright hull is taken")]


def test_a_polygon_beside_a_box_does_not_count(read):
    annotation, problems = read(xml(obj(more="<polygon><x1>1</x1></polygon>")))
    assert (annotation.boxes[0].corners, problems) == ((1, 2, 30, 40), [])
