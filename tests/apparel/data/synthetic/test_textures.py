from random import Random

import numpy as np
import pytest

from apparel.data.synthetic import textures


def test_the_distance_of_colours_is_euclidean():
    assert textures.colour_distance((0, 0, 0), (3, 4, 0)) == 5
    assert textures.colour_distance((0, 0, 0), (255, 255, 255)) == pytest.approx(441.67, abs=0.01)


@pytest.mark.parametrize("background", [(0, 0, 0), (128, 128, 128), (255, 255, 255)])
def test_cloth_stands_out_from_its_background(background):
    for seed in range(10):
        cloth = textures.paint_cloth(Random(seed), np.ones((40, 30)), 5, background)
        assert (cloth.mode, cloth.size) == ("RGB", (30, 40))
        assert textures.colour_distance(np.median(np.asarray(cloth), axis=(0, 1)), background) > 50


def test_a_background_is_square_and_mostly_of_its_main_colour():
    for seed in range(10):
        image, main = textures.paint_background(Random(seed), 48)
        assert (image.mode, image.size) == ("RGB", (48, 48))
        assert textures.colour_distance(np.median(np.asarray(image), axis=(0, 1)), main) < 60
