"""SavedModel with the signature of the Object Detection API's exporter, and a frozen graph as for TensorFlow 1."""

from pathlib import Path

import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from apparel.models.detector import Detector
from apparel.models.metadata import Metadata
from apparel.models.tfod import exporter, pipeline_file
from apparel.utils import files

FROZEN_GRAPH = "frozen_inference_graph.pb"
"""Name that the API's exporter for TensorFlow 1 gives the frozen graph."""

OUTPUTS = ("detection_boxes", "detection_classes", "detection_scores", "num_detections")
"""Outputs of the frozen graph, as TensorFlow 1's exporter names them; the SavedModel has more."""

EXTRA = "assets.extra"
"""Folder of a SavedModel for files of others: TensorFlow leaves it alone."""

METADATA = f"{EXTRA}/metadata.json"
PIPELINE = f"{EXTRA}/pipeline.config"

FINGERPRINT = "fingerprint.pb"
"""Holds a random number, which would make each export another; TensorFlow loads a SavedModel without it."""


def write(detector: Detector, metadata: Metadata, target: Path) -> None:
    """Writes the folder `target`: a SavedModel with a frozen graph, the model's pipeline file and `Metadata` in it.

    The signature `serving_default` takes `input_tensor`, uint8 (1, H, W, 3) of any size, and resizes it. Classes count
    from 1, as in the API.
    """
    tf.keras.backend.set_learning_phase(False)
    detector.model._is_training = False
    module = exporter.image_module(detector.model)
    signature = module.__call__.get_concrete_function()
    with files.replace_folder(target) as unfinished:
        tf.saved_model.save(module, str(unfinished), signatures=signature)
        (unfinished / FROZEN_GRAPH).write_bytes(_frozen_graph(module))
        (unfinished / FINGERPRINT).unlink(missing_ok=True)
        files.write_text(unfinished / METADATA, metadata.to_json())
        pipeline_file.write(detector.config, unfinished / PIPELINE)


def _frozen_graph(module: tf.Module) -> bytes:
    """The graph with the weights as constants, from `image_tensor:0` to `detection_boxes:0` and so on."""

    def detect(image_tensor: tf.Tensor) -> dict[str, tf.Tensor]:
        detections = module.__call__(image_tensor)
        return {name: tf.identity(detections[name], name=name) for name in OUTPUTS}

    image = tf.TensorSpec([1, None, None, 3], tf.uint8, name="image_tensor")
    function = tf.function(detect, autograph=False).get_concrete_function(image)
    # Loops stay functions of the graph; lowered to TensorFlow 1's, they come out in another order each time.
    frozen = convert_variables_to_constants_v2(function, lower_control_flow=False)
    return frozen.graph.as_graph_def().SerializeToString(deterministic=True)
