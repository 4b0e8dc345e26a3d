"""Boxes as messages name them."""

import pytest

from apparel.annotations.records import Box


@pytest.mark.parametrize(
    ("corners", "text"), [((1.0, 2.0, 30.5, 40.0), "Tops 1 2 30.5 40"), ((-5, 0, 1e9, 0.25), "Tops -5 0 1e+09 0.25")]
)
def test_a_box_is_named_by_its_class_and_corners_without_needless_zeros(corners, text):
    assert str(Box("Tops", corners)) == text
