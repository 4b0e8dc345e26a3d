"""Each pipeline file of configs/: its detector trains, and finds the same boxes once saved and loaded."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from apparel.inference.split_detections import detect_split
from apparel.models.detector import Detector, load_detector
from apparel.models.tfod import determinism
from apparel.training.loop import Training
from tests.support import tiny_detector
from tests.support.repository import ROOT

DETECTORS = sorted(path.stem for path in (ROOT / "configs").glob("*.config"))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with tiny_detector.project(tmp_path_factory.mktemp("training")) as folder:
        yield folder


@pytest.mark.slow
@pytest.mark.parametrize("name", DETECTORS)
def test_a_detector_trains_and_is_the_same_when_loaded(project, name):
    index = tiny_detector.records(project)
    depth = 1.0 if name.startswith("faster_rcnn") else 0.25
    train = tiny_detector.train_params(detector=name, steps=3, depth_multiplier=depth)
    tf.keras.backend.clear_session()
    determinism.enable(train.seed)
    detector = Detector(tiny_detector.config(train), tiny_detector.CLASSES)
    before = [variable.numpy() for variable in detector.model.variables]
    Training(detector, index, train, project / name).run(lambda step, values: None)
    changed = [not np.array_equal(old, new.numpy()) for old, new in zip(before, detector.model.variables, strict=True)]
    assert sum(changed) > 0.9 * len(changed)
    detector.save(project / f"{name}-model")
    loaded = load_detector(project / f"{name}-model")
    detections, again = (detect_split(one, index, "val").detections for one in (detector, loaded))
    assert len(detections) > 0
    pd.testing.assert_frame_equal(detections, again)
