"""Detections on many photos: the same bytes for any number of threads and wherever a run was interrupted."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from apparel.analysis.predictions import prediction_run
from apparel.analysis.predictions.photo_sources import PhotoSources
from apparel.analysis.predictions.run_tables import DETECTIONS, PHOTOS, PROBLEMS, RunTables
from tests.support.whole_photo_network import WholePhotoNetwork

COUNT = 23


class Kill(BaseException):
    """Ends a run wherever it is."""


class Recorder:
    """A writer that notes what it gets, and may end the run."""

    def __init__(self, stop_at=None):
        self.written, self._stop_at = [], stop_at

    def write(self, name, photo, detections):
        if len(self.written) == self._stop_at:
            raise Kill
        self.written.append((name, photo.size, len(detections)))

    def close(self):
        return None


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working directory with photos of several sizes, every seventh broken."""
    monkeypatch.chdir(tmp_path)
    Path("shop").mkdir()
    for number in range(COUNT):
        path = Path("shop", f"{number:02}.png")
        Image.new("RGB", (20 + number, 30), "red").save(path)
        if number % 7 == 3:
            path.write_bytes(path.read_bytes()[:50])
    return tmp_path


def detect(output, writers=(), networks=1, batch_size=None, lowest_score=None, network=WholePhotoNetwork):
    output.mkdir(exist_ok=True)
    tables = RunTables(output)
    loaded = [network(batch_size=batch_size) for _ in range(networks)]
    done = []
    photos = PhotoSources(["shop"], output)
    try:
        prediction_run.detect_all(photos, loaded, tables, writers, lowest_score, lambda: done.append(1))
    finally:
        tables.close()
    return {table: (output / table).read_bytes() for table in (PHOTOS, DETECTIONS, PROBLEMS)}, len(done)


def test_each_photo_is_a_line_in_order_and_a_broken_one_a_problem(folder):
    recorder = Recorder()
    tables, done = detect(folder / "a", [recorder])
    assert done == COUNT
    photos = tables[PHOTOS].decode().splitlines()
    assert photos[1] == "shop/00.png,20,30,1"
    assert len(photos) == 1 + COUNT - 3
    assert tables[DETECTIONS].decode().splitlines()[-1] == "shop/22.png,bright,0.9,0,0,42,30,0.5"
    problems = tables[PROBLEMS].decode().splitlines()
    assert [line.partition(",")[0] for line in problems[1:]] == ["shop/03.png", "shop/10.png", "shop/17.png"]
    assert "annotation" not in tables[PROBLEMS].decode()
    assert [name for name, _, _ in recorder.written] == [line.partition(",")[0] for line in photos[1:]]


@pytest.mark.parametrize("networks, batch_size", [(1, 8), (3, 1), (2, 4)])
def test_threads_and_batches_change_nothing(folder, networks, batch_size):
    assert detect(folder / "a") == detect(folder / "b", networks=networks, batch_size=batch_size)


@pytest.mark.parametrize("stop_at", [0, 1, 7, 12, 19])
def test_a_run_that_was_killed_goes_on_to_the_same_bytes(folder, stop_at):
    whole, _ = detect(folder / "a", [Recorder()], batch_size=4)
    with pytest.raises(Kill):
        detect(folder / "b", [Recorder(stop_at)], batch_size=4)
    second = Recorder()
    assert detect(folder / "b", [second], batch_size=4) == (whole, COUNT)
    assert len(second.written) == COUNT - 3 - stop_at
    third = Recorder()
    assert detect(folder / "b", [third]) == (whole, COUNT)
    assert third.written == []


@pytest.mark.parametrize("lowest_score, lines", [(None, 20), (0.95, 0), (0.0, 20)])
def test_the_lowest_score_stands_before_thresholds(folder, lowest_score, lines):
    assert len(detect(folder / "a", lowest_score=lowest_score)[0][DETECTIONS].splitlines()) == 1 + lines


def test_a_network_that_fails_ends_the_run_with_its_error(folder):
    class Broken(WholePhotoNetwork):
        def detect(self, images):
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        detect(folder / "a", network=Broken)


def test_photos_ahead_are_bounded(folder):
    """No more photos are decoded than wait for being written, however slow writing is."""

    class Counting(WholePhotoNetwork):
        prepared = 0

        def prepare(self, photo):
            Counting.prepared += 1
            return super().prepare(photo)

    class Slow(Recorder):
        most = 0

        def write(self, name, photo, detections):
            Slow.most = max(Slow.most, Counting.prepared - len(self.written))
            super().write(name, photo, detections)

    detect(folder / "a", [Slow()], networks=2, batch_size=2, network=Counting)
    assert Slow.most <= (prediction_run.AHEAD * 2 + 2) * 2


def test_boxes_are_in_pixels_of_the_upright_photo(folder):
    exif = Image.Exif()
    exif[0x0112] = 6
    pixels = np.zeros((30, 60, 3), np.uint8)
    Image.fromarray(pixels).save("shop/00.png", exif=exif)
    tables, _ = detect(folder / "a")
    assert tables[DETECTIONS].decode().splitlines()[1] == "shop/00.png,bright,0.9,0,0,30,60,0.5"
