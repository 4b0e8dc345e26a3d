"""The Object Detection API's exporter of SavedModels, its exporter_lib_v2.py.

Its `export_inference_graph` builds the model and restores a checkpoint; only its module with the signature is taken
here, since the detector is loaded already. Nothing is patched. Two things are left out that take a minute and give
nothing: AutoGraph, which rewrites the API's code, and the functions of each Keras layer, which would be saved, too.
"""

import tensorflow as tf
from object_detection.exporter_lib_v2 import DetectionFromImageModule


def image_module(model: tf.Module) -> tf.Module:
    """A module whose `__call__` takes `input_tensor`, uint8 (1, H, W, 3) of any H and W.

    It returns `detection_boxes`, `detection_classes` (from 1), `detection_scores`, `num_detections` and the API's other
    outputs, all float32 of shape (1, ...).
    """
    api_function = DetectionFromImageModule(model).__call__
    module = tf.Module()
    module.__call__ = tf.function(api_function.python_function, api_function.input_signature, autograph=False)
    # TensorFlow gives them in another order in each process, and a checkpoint would be written in that.
    variables = module.__call__.get_concrete_function().variables
    module.all_variables = sorted(variables, key=lambda variable: variable.name)
    return module
