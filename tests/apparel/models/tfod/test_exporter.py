import numpy as np

from apparel.models.tfod import exporter
from tests.support import decided_detector


def test_the_module_takes_bytes_of_any_size_and_counts_classes_from_one():
    trained = decided_detector.network()
    module = exporter.image_module(trained.detector.model)
    outputs = module.__call__(np.full((1, 40, 70, 3), 200, np.uint8))
    assert outputs["detection_boxes"].shape == (1, 100, 4)
    assert set(np.unique(outputs["detection_classes"][0, : int(outputs["num_detections"][0])])) == {1, 2}
