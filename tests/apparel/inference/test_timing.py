"""What the process that times a detector does."""

import io

import numpy as np
import pytest
from PIL import Image

from apparel.inference import timing
from apparel.inference.timing import BATCH, BATCH_SIZE, DECODE, ONE, PROCESSOR, WHOLE
from tests.support.whole_photo_network import WholePhotoNetwork


def encoded(shade: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (90, 40), (shade, 0, 0)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def network() -> WholePhotoNetwork:
    return WholePhotoNetwork(side=32)


@pytest.mark.parametrize(
    ("what", "calls", "seconds", "batches"),
    [(ONE, 3, 3, [1] * 4), (WHOLE, 3, 3, [1] * 4), (DECODE, 3, 3, []), (BATCH, 16, 2, [BATCH_SIZE] * 3)],
)
def test_each_kind_calls_the_network_as_it_says_and_once_before(network, what, calls, seconds, batches) -> None:
    timed = timing.Timing(network, [encoded(1), encoded(2)]).seconds_per_photo(what, calls)
    assert len(timed) == seconds and min(timed) > 0
    assert network.calls == [(size, 32, 32, 3) for size in batches]


def test_a_network_of_one_photo_at_a_time_has_no_time_for_batches() -> None:
    network = WholePhotoNetwork(batch_size=1)
    assert timing.Timing(network, [encoded(1)]).seconds_per_photo(BATCH, 8) is None
    assert network.calls == []


def test_the_seconds_of_a_batch_are_those_of_a_photo(network, monkeypatch) -> None:
    clock = iter(range(100))
    monkeypatch.setattr(timing.time, "perf_counter", lambda: next(clock))
    measured = timing.Timing(network, [encoded(1)])
    assert measured.seconds_per_photo(BATCH, BATCH_SIZE) == [1 / BATCH_SIZE]
    assert measured.seconds_per_photo(ONE, 2) == [1, 1]


def test_the_processor_s_seconds_are_those_of_all_calls(network, monkeypatch) -> None:
    clock = iter([10.0, 10.8])
    monkeypatch.setattr(timing.time, "process_time", lambda: next(clock))
    measured = timing.Timing(network, [encoded(1)])
    measured.seconds_per_photo(ONE, 3)
    assert measured.seconds_per_photo(PROCESSOR, 0) == [pytest.approx(0.2)]


def test_photos_take_turns(network, monkeypatch) -> None:
    seen = []
    monkeypatch.setattr(network, "detect", lambda images: seen.append(int(images[0, 0, 0, 0])))
    timing.Timing(network, [encoded(10), encoded(20)]).seconds_per_photo(ONE, 3)
    assert seen == [10, 10, 20, 10]


def test_peak_memory_grows_with_what_is_held() -> None:
    before = timing.peak_memory()
    held = np.ones(60_000_000, np.uint8)
    grown = timing.peak_memory() - before
    assert len(held) == 60_000_000 and before > 10_000_000
    assert grown > 0 or before > 500_000_000  # a test before this one may have had more
