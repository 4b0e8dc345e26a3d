from concurrent.futures import Future

import numpy as np
import pytest

from apparel.inference import fusion
from apparel.inference.ensemble import EnsembleNetwork, View
from apparel.serving.loaded_model import LoadedModel
from tests.support import servers
from tests.support.stand_in_network import StandInNetwork, photo


@pytest.fixture
def network():
    return StandInNetwork()


def submit(model: LoadedModel, image: np.ndarray) -> Future:
    return model.submit(lambda: image)


def detected(model: LoadedModel, photos: int) -> list:
    """Detections on so many photos that wait together."""
    network = model.networks[0]
    network.go.clear()
    futures = [submit(model, model.prepare(np.asarray(photo(100 + 2 * number)))) for number in range(photos)]
    network.go.set()
    return [future.result(60) for future in futures]


def test_a_network_runs_with_each_size_before_it_is_used(network):
    LoadedModel("a", "hash", [network]).close()
    assert network.batches == [8, 4, 1]


def test_photos_that_wait_are_detected_on_together(network):
    model = LoadedModel("a", "hash", [network])
    network.batches.clear()
    assert len(detected(model, 12)) == 12
    assert sum(network.batches) == 12
    assert max(network.batches) > 1
    assert set(network.batches) <= {1, 4, 8}
    model.close()


def test_each_photo_gets_its_own_detections(network):
    model = LoadedModel("a", "hash", [network])
    alone = [detected(model, 1)[0]]
    assert np.array_equal(detected(model, 5)[0].boxes, alone[0].boxes)
    for number, detections in enumerate(detected(model, 7)):
        pixels = model.prepare(np.asarray(photo(100 + 2 * number)))
        left = np.flatnonzero(pixels.max(axis=(0, 2)) > 127)[0]
        assert detections.boxes[0].tolist() == [0, pytest.approx(left / 48), 1, 1]
        assert detections.scores.tolist() == [0.75, 0.25]
    model.close()


@pytest.mark.parametrize("size", [1, 3])
def test_a_network_of_a_fixed_size_gets_no_other(size):
    network = StandInNetwork(batch_size=size)
    model = LoadedModel("a", "hash", [network])
    assert len(detected(model, 7)) == 7
    assert set(network.batches) == {size}
    model.close()


def test_several_networks_share_the_photos():
    networks = [StandInNetwork(batch_size=1) for _ in range(2)]
    model = LoadedModel("a", "hash", networks)
    for network in networks:
        network.batches.clear()
        network.go.clear()
    futures = [submit(model, model.prepare(np.asarray(photo()))) for _ in range(8)]
    networks[0].go.set()  # the other one is slow
    servers.wait_for(lambda: sum(future.done() for future in futures) >= 7)
    networks[1].go.set()
    assert all(future.result(60) for future in futures)
    model.close()


def test_a_failure_is_that_of_its_photos_only(network):
    model = LoadedModel("a", "hash", [network])
    with pytest.raises(ValueError, match="axis"):
        submit(model, np.zeros(3)).result(60)
    assert len(detected(model, 1)) == 1
    model.close()


def test_a_photo_that_cannot_be_decoded_fails_alone(network):
    def damaged():
        raise OSError("damaged")

    model = LoadedModel("a", "hash", [network])
    network.go.clear()
    first = submit(model, image := model.prepare(np.asarray(photo())))
    servers.wait_for(first.running)
    futures = [model.submit(damaged), *(submit(model, image) for _ in range(3)), model.submit(damaged)]
    network.go.set()
    assert all(len(future.result(60).scores) == 2 for future in futures[1:-1])
    for future in (futures[0], futures[-1]):
        with pytest.raises(OSError, match="damaged"):
            future.result(60)
    model.close()


@pytest.mark.parametrize("batch_size, decodes", [(None, False), (8, False), (1, True)])
def test_photos_are_decoded_where_one_is_detected_on_at_a_time(batch_size, decodes):
    model = LoadedModel("a", "hash", [StandInNetwork(batch_size=batch_size)])
    assert model.decodes == decodes
    model.close()


def test_a_photo_that_nobody_waits_for_any_more_is_left_out(network):
    model = LoadedModel("a", "hash", [network])
    network.go.clear()
    image = model.prepare(np.asarray(photo()))
    first = submit(model, image)
    servers.wait_for(first.running)
    network.batches.clear()
    second = submit(model, image)
    assert second.cancel()
    network.go.set()
    submit(model, image).result(60)
    assert network.batches == [1, 1]
    model.close()


def test_closing_leaves_nobody_waiting(network):
    model = LoadedModel("a", "hash", [network])
    network.go.clear()
    futures = [submit(model, model.prepare(np.asarray(photo()))) for _ in range(5)]
    model.close()
    network.go.set()
    assert all(future.result(60) for future in futures)


def test_an_ensemble_is_served_as_one_network():
    views = [View(StandInNetwork(), 1), View(StandInNetwork("1" * 32), 2, is_mirrored=True)]
    model = LoadedModel("two", "hash", [EnsembleNetwork(views, fusion.IOU, views[0].network.metadata)])
    future = submit(model, model.prepare(np.asarray(photo())))
    detections = future.result(60)
    np.testing.assert_allclose(detections.boxes[0], [0, 0.5, 1, 1], atol=0.05)
    assert detections.scores.tolist() == pytest.approx([0.75, 0.25])
    model.close()
