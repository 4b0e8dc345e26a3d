import numpy as np
import pytest

from apparel.errors import UserError
from apparel.inference import networks
from apparel.models.export import saved_model
from tests.support import decided_detector


@pytest.mark.slow
def test_a_folder_is_loaded_and_detects_what_the_trained_model_detects(tmp_path):
    trained = decided_detector.network()
    folder = tmp_path / "saved_model"
    saved_model.write(trained.detector, trained.metadata, folder)
    network = networks.load(folder)
    assert network.runtime == "SavedModel"
    assert network.metadata == trained.metadata
    images = decided_detector.images(2)
    detections = network.detect(images)
    for number, image in enumerate(images):
        expected = trained.detect(image[np.newaxis])
        np.testing.assert_array_equal(detections.classes[number], expected.classes[0])
        np.testing.assert_allclose(detections.scores[number], expected.scores[0], atol=1e-5)
        np.testing.assert_allclose(detections.boxes[number], expected.boxes[0], atol=1e-5)
    (folder / saved_model.METADATA).unlink()
    with pytest.raises(UserError, match="no export of this project"):
        networks.load(folder)


def test_a_damaged_folder_is_refused(tmp_path):
    trained = decided_detector.network()
    (tmp_path / "assets.extra").mkdir()
    (tmp_path / saved_model.METADATA).write_text(trained.metadata.to_json())
    (tmp_path / "saved_model.pb").write_bytes(b"\xff\xff")
    with pytest.raises(UserError, match="is damaged, or no SavedModel"):
        networks.load(tmp_path)
