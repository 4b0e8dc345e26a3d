"""The SavedModel and the frozen graph answer as the Object Detection API's exports do."""

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from apparel.inference import predictor
from apparel.models.export import saved_model
from tests.support import decided_detector
from tests.support.repository import ROOT

WRITE = """
import sys
from pathlib import Path
from apparel.models.export import saved_model
from tests.support import decided_detector
trained = decided_detector.network()
saved_model.write(trained.detector, trained.metadata, Path(sys.argv[1]))
"""


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    trained = decided_detector.network()
    folder = tmp_path_factory.mktemp("export") / "saved_model"
    saved_model.write(trained.detector, trained.metadata, folder)
    return trained, folder


PHOTO = np.random.default_rng(2).integers(0, 256, (90, 130, 3), dtype=np.uint8)


def test_the_signature_takes_a_photo_of_any_size_and_counts_classes_from_one(exported):
    trained, folder = exported
    loaded = tf.saved_model.load(str(folder))
    signature = loaded.signatures["serving_default"]
    (image,) = signature.structured_input_signature[1].values()
    assert (image.name, image.dtype, image.shape.as_list()) == ("input_tensor", tf.uint8, [1, None, None, 3])
    outputs = {name: values.numpy()[0] for name, values in signature(input_tensor=PHOTO[np.newaxis]).items()}
    expected = predictor.detect(trained, [Image.fromarray(PHOTO)])
    count = int(outputs["num_detections"])
    assert count == len(expected) > 50
    names = [trained.metadata.classes[int(number) - 1] for number in outputs["detection_classes"][:count]]
    np.testing.assert_allclose(outputs["detection_scores"][:count], expected["score"], atol=2e-3)
    assert np.mean(np.array(names) == expected["class"]) > 0.9
    first = outputs["detection_boxes"][0] * [90, 130, 90, 130]
    np.testing.assert_allclose(first, expected.loc[0, ["ymin", "xmin", "ymax", "xmax"]].astype(float), atol=0.5)


def test_the_frozen_graph_has_the_names_of_tensorflow_1(exported):
    _, folder = exported
    graph_def = tf.compat.v1.GraphDef.FromString((folder / saved_model.FROZEN_GRAPH).read_bytes())
    with tf.Graph().as_default() as graph:
        tf.compat.v1.import_graph_def(graph_def, name="")
    names = [f"{name}:0" for name in saved_model.OUTPUTS]
    with tf.compat.v1.Session(graph=graph) as session:
        frozen = session.run(names, {"image_tensor:0": PHOTO[np.newaxis]})
    outputs = tf.saved_model.load(str(folder)).signatures["serving_default"](input_tensor=PHOTO[np.newaxis])
    for name, values in zip(saved_model.OUTPUTS, frozen, strict=True):
        np.testing.assert_allclose(values, outputs[name], atol=1e-5)


def test_nothing_random_is_in_it(exported):
    _, folder = exported
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert files == {
        "assets.extra/metadata.json",
        "assets.extra/pipeline.config",
        "frozen_inference_graph.pb",
        "saved_model.pb",
        "variables/variables.data-00000-of-00001",
        "variables/variables.index",
    }


@pytest.mark.slow
def test_every_process_writes_the_same_bytes(tmp_path):
    contents = []
    for name in ("first", "second"):
        subprocess.run([sys.executable, "-c", WRITE, str(tmp_path / name)], cwd=ROOT, check=True, capture_output=True)
        written = [path for path in (tmp_path / name).rglob("*") if path.is_file()]
        contents.append({path.relative_to(tmp_path / name): path.read_bytes() for path in written})
    assert len(contents[0]) == 6
    assert contents[0] == contents[1]
