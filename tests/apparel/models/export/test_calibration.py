import numpy as np

from apparel.models.export import calibration
from tests.support import tiny_detector


def test_photos_are_of_train_evenly_spaced_and_the_same_each_time(tmp_path, monkeypatch):
    config = tiny_detector.config(tiny_detector.train_params())
    index = tiny_detector.records(tmp_path, photos=12)
    monkeypatch.chdir(tmp_path)
    every = list(calibration.photos(index, config, 200))
    assert len(every) == index.splits["train"].photos == 6
    assert every[0].shape == (1, tiny_detector.SIDE, tiny_detector.SIDE, 3)
    few = list(calibration.photos(index, config, 3))
    for photo, expected in zip(few, [every[0], every[2], every[5]], strict=True):
        np.testing.assert_array_equal(photo, expected)
