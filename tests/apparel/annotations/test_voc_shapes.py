"""The corners of an object's shape; a box goes before other shapes."""

import pytest
from lxml import etree

from apparel.annotations.problems import Problems
from apparel.annotations.voc_shapes import read_corners

BOX = "<bndbox><xmin>30</xmin><ymin>2</ymin><xmax>1</xmax><ymax>40</ymax></bndbox>"
POLYGON = "<polygon><x1>5</x1><y1>6</y1><x2>50</x2><y2>8</y2><x3>20</x3><y3>70</y3></polygon>"
TURNED = "<robndbox><cx>50</cx><cy>40</cy><w>20</w><h>10</h><angle>0</angle></robndbox>"


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
