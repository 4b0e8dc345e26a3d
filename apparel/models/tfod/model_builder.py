"""The Object Detection API's model_builder.py, imported with Keras 2 where it and what it imports name `keras`.

`keras` is Keras 3, whose layers do not go with those of the API and whose import takes seconds. May go once the API is
written for Keras 3.
"""

import sys

import tf_keras

_KERAS_2 = {"keras": tf_keras, "keras.applications": tf_keras.applications}
_replaced = {name: sys.modules.pop(name) for name in _KERAS_2 if name in sys.modules}
sys.modules.update(_KERAS_2)
try:
    from object_detection.builders.model_builder import (
        FASTER_RCNN_KERAS_FEATURE_EXTRACTOR_CLASS_MAP,
        SSD_KERAS_FEATURE_EXTRACTOR_CLASS_MAP,
        build,
    )
finally:
    for _name in _KERAS_2:
        del sys.modules[_name]
    sys.modules.update(_replaced)

__all__ = ("FASTER_RCNN_KERAS_FEATURE_EXTRACTOR_CLASS_MAP", "SSD_KERAS_FEATURE_EXTRACTOR_CLASS_MAP", "build")
