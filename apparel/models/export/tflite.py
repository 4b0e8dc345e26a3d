"""TensorFlow Lite file with post-processing inside: float32, or integers for the network but its heads.

Inputs and outputs are those of Android's object detectors: an image (1, H, W, 3) of the network's size, 0 to 255;
location (1, D, 4) ymin, xmin, ymax, xmax in 0..1, category (1, D) from 0, score (1, D), number of detections (1,).
The suppression is that of `ssd_graph`, of built-in operations: the converter's custom operation, which the API's
export_tflite_graph_lib_tf2.py brings in, does not clip boxes to the photo and runs through all boxes of all classes.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow.lite.python import schema_py_generated as schema
from tensorflow.lite.python.convert import mlir_quantize
from tensorflow.lite.tools import flatbuffer_utils

from apparel.models.detector import Detector
from apparel.models.export import ssd_graph, support, tflite_metadata
from apparel.models.metadata import Metadata
from apparel.utils import files

CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")
"""Operations that `tflite_int8` computes with integers; they take nearly all of the time."""


def write(detector: Detector, metadata: Metadata, target: Path, photos: support.Photos | None = None) -> None:
    """Writes the file `target`; with `photos` one of integers, whose ranges are those seen on these photos."""
    model = _quantized(detector, photos()) if photos else _converter(detector, tf.float32).convert()
    files.write_bytes(target, tflite_metadata.append_files(_completed(model, metadata), metadata))


def _converter(detector: Detector, dtype: tf.DType) -> tf.lite.TFLiteConverter:
    """The converter of the detector from an image of this type."""

    def detect(image: tf.Tensor) -> dict[str, tf.Tensor]:
        detections = ssd_graph.detect(detector, tf.cast(image, tf.float32))
        return detections._asdict()

    image = tf.TensorSpec([1, *support.input_size(detector.config), 3], dtype, name="image")
    function = tf.function(detect, autograph=False).get_concrete_function(image)
    weights = tf.Module()
    weights.all = function.variables  # the model itself would have each of its Keras layers saved as functions
    return tf.lite.TFLiteConverter.from_concrete_functions([function], weights)


def _quantized(detector: Detector, photos: Iterable[np.ndarray]) -> bytes:
    """The model with integers, from an image of uint8.

    The heads stay float32, which costs next to no time: their outputs, logits and encoded boxes, would lose most.
    `mlir_quantize` is what `tf.lite.experimental.QuantizationDebugger` calls for a model with exceptions; the debugger
    itself also runs a second, instrumented model on the photos.
    """

    def representative() -> Iterator[list[np.ndarray]]:
        for photo in photos:
            yield [np.rint(photo).astype(np.uint8)]

    converter = _converter(detector, tf.uint8)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = representative
    converter._experimental_calibrate_only = True
    calibrated = converter.convert()
    operations, heads = _float_parts(calibrated)
    return mlir_quantize(calibrated, denylisted_ops=operations, denylisted_nodes=heads)


def _float_parts(model: bytes) -> tuple[list[str], list[str]]:
    """Operations that stay float32 by name, and the names of the outputs of others that do, too.

    Integers are for convolutions, without those of the heads, which no other convolution comes after; and for what lies
    between two convolutions, such as the sums of residual blocks: in float32 each would cost two conversions.
    """
    parsed = flatbuffer_utils.read_model_from_bytearray(bytearray(model))
    names = {number: name for name, number in vars(schema.BuiltinOperator).items() if not name.startswith("_")}
    graph = parsed.subgraphs[0]
    by_operation = [(names[parsed.operatorCodes[op.opcodeIndex].builtinCode], op) for op in graph.operators]
    before, after = set(), set()  # tensors that lead to a convolution, and those that one leads to
    for name, op in reversed(by_operation):
        if name in CONVOLUTIONS or before.intersection(op.outputs):
            before.update(op.inputs)
    for name, op in by_operation:
        if name in CONVOLUTIONS or after.intersection(op.inputs):
            after.update(op.outputs)
    between = before & after
    integers = {name for name, op in by_operation if name in CONVOLUTIONS or between.intersection(op.outputs)}
    others = sorted({name for name, _ in by_operation} - integers)
    floats = [op.outputs[0] for name, op in by_operation if name in integers and not between.intersection(op.outputs)]
    return others, [graph.tensors[number].name.decode() for number in floats]


def _completed(model: bytes, metadata: Metadata) -> bytes:
    """The model with its outputs in the order of `tflite_metadata.OUTPUTS`, and the metadata."""
    parsed = flatbuffer_utils.read_model_from_bytearray(bytearray(model))
    signature = parsed.signatureDefs[0]
    tensors = {output.name.decode(): output.tensorIndex for output in signature.outputs}
    parsed.subgraphs[0].outputs = [tensors[name] for name in ("boxes", "classes", "scores", "count")]
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(tflite_metadata.pack(metadata), np.uint8)
    entry = schema.MetadataT()
    entry.name, entry.buffer = tflite_metadata.NAME, len(parsed.buffers)
    parsed.buffers.append(buffer)
    parsed.metadata = [*(parsed.metadata or []), entry]
    return bytes(flatbuffer_utils.convert_object_to_bytearray(parsed))
