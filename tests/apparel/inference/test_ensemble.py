"""Several views of a photo as one network."""

import numpy as np
import pytest

from apparel.inference import fusion, predictor
from apparel.inference.ensemble import EnsembleNetwork, View
from tests.support import stand_in_network
from tests.support.stand_in_network import StandInNetwork
from tests.support.whole_photo_network import WholePhotoNetwork


def ensemble(*views):
    return EnsembleNetwork(views, fusion.IOU, views[0].network.metadata)


def small(side=24, batch_size=None):
    """A network of another size than `StandInNetwork`, which finds the same."""
    network = StandInNetwork(batch_size=batch_size)
    network.metadata = network.metadata.__class__(**vars(network.metadata) | {"height": side, "width": side})
    return network


def test_views_of_several_sizes_agree_where_the_bright_half_is():
    network = ensemble(View(StandInNetwork(), 1), View(StandInNetwork(), 1, is_mirrored=True), View(small(), 2))
    photos = [stand_in_network.photo(), stand_in_network.photo(200, 100)]
    table = predictor.detect(network, photos)
    bright = table[table["class"] == "bright"]
    assert bright["photo"].tolist() == [0, 1]
    np.testing.assert_allclose(bright[["xmin", "ymin", "xmax", "ymax"]], [[48, 0, 96, 64], [100, 0, 200, 100]], atol=3)
    assert bright["score"].tolist() == pytest.approx([0.75, 0.75])


def test_a_batch_gives_what_photos_give_alone_and_may_be_filled_up():
    network = ensemble(View(StandInNetwork(), 1, is_mirrored=True), View(small(), 1))
    first, second = (network.prepare(np.asarray(stand_in_network.photo(width))) for width in (96, 50))
    batch = network.detect(np.stack([first, second, np.zeros_like(first)]))
    for row, image in enumerate((first, second)):
        alone = network.detect(image[np.newaxis])
        for values, single in zip(batch, alone, strict=True):
            np.testing.assert_array_equal(values[row], single[0])


def test_what_views_see_alike_is_prepared_once():
    network = ensemble(View(StandInNetwork(), 1), View(StandInNetwork("1" * 32), 1), View(small(), 1))
    pixels = 3 * (32 * 48 + 24 * 24)
    assert network.prepare(stand_in_network.pixels()).shape == (pixels + 4,)


def test_the_strictest_member_says_how_many_photos_a_call_takes():
    assert ensemble(View(StandInNetwork(), 1), View(small(batch_size=1), 1)).batch_size == 1
    assert ensemble(View(StandInNetwork(), 1), View(small(), 1)).batch_size is None


def test_runtimes_are_named_once():
    other = WholePhotoNetwork(stand_in_network.CLASSES)
    other.runtime = "another"
    assert ensemble(View(StandInNetwork(), 1), View(small(), 1), View(other, 1)).runtime == "stand-in, another"
