import numpy as np
import pytest

from apparel.errors import UserError
from apparel.inference import networks
from apparel.models.export import tflite, tflite_metadata
from tests.support import decided_detector


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    trained = decided_detector.network()
    path = tmp_path_factory.mktemp("export") / "detector.tflite"
    tflite.write(trained.detector, trained.metadata, path)
    return trained, path


def test_a_file_is_loaded_with_classes_and_thresholds_and_takes_several_photos(exported):
    trained, path = exported
    network = networks.load(path, threads=1)
    assert network.runtime == "TensorFlow Lite"
    assert network.metadata == trained.metadata
    images = decided_detector.images(3)
    several = network.detect(images)
    assert several.boxes.shape == (3, 100, 4)
    for number, image in enumerate(images):
        for values, of_one in zip(several, network.detect(image[np.newaxis]), strict=True):
            np.testing.assert_array_equal(values[number], of_one[0])


def test_a_damaged_file_is_refused(exported, tmp_path):
    trained, path = exported
    content = path.read_bytes()
    damaged = tmp_path / "damaged.tflite"
    damaged.write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match="no classes and thresholds"):
        networks.load(damaged)
    damaged.write_bytes(tflite_metadata.append_files(b"no model", trained.metadata))
    with pytest.raises(UserError, match="is damaged, or no file of TensorFlow Lite"):
        networks.load(damaged)
