import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from apparel.errors import UserError
from apparel.models.export import onnx_graph


def converted(prefix: str, shape=(1, 2, 1, 1), reverse: bool = False) -> onnx.GraphProto:
    """As tf2onnx leaves a feature map of one pixel; an unused constant is with it."""
    random = np.random.default_rng(0)
    arrays = {"kernel": random.normal(size=(2, 3, 4, 4)), "scale": [2, 3], "offset": [0.5, -1], "mean": [0.1, 0.2]}
    arrays |= {"variance": [0.3, 4], "unused": [1]}
    constants = [onnx.numpy_helper.from_array(np.float32(values), prefix + name) for name, values in arrays.items()]
    constants.append(onnx.numpy_helper.from_array(np.array(shape), prefix + "shape"))
    names = [prefix + name for name in ("scale", "offset", "mean", "variance")]
    nodes = [
        helper.make_node("Conv", ["x", prefix + "kernel"], [prefix + "a"], kernel_shape=[4, 4]),
        helper.make_node("Reshape", [prefix + "a", prefix + "shape"], [prefix + "b"]),
        helper.make_node("BatchNormalization", [prefix + "b", *names], ["y"], epsilon=0.001),
    ]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("x", "y")]
    return helper.make_graph(nodes, "g", values[:1], values[1:], constants[::-1] if reverse else constants)


def run(graph: onnx.GraphProto, photos: np.ndarray) -> np.ndarray:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return onnxruntime.InferenceSession(model.SerializeToString()).run(None, {graph.input[0].name: photos})[0]


def test_batch_normalisation_is_folded_and_gives_the_same():
    graph = converted("one")
    photos = np.random.default_rng(1).normal(size=(3, 3, 4, 4)).astype(np.float32)
    expected = np.concatenate([run(graph, photo[np.newaxis]) for photo in photos])
    onnx_graph.tidy(graph, {"y": "y", "x": "x"})
    assert [node.op_type for node in graph.node] == ["Conv"]
    assert [tensor.name for tensor in graph.initializer] == [*graph.node[0].input[1:]]
    np.testing.assert_allclose(run(graph, photos), expected, rtol=0, atol=1e-5)


def test_names_and_order_of_the_conversion_leave_no_trace():
    first, second = converted("one"), converted("two", reverse=True)
    for graph in (first, second):
        onnx_graph.tidy(graph, {"y": "y", "x": "x"})
    assert first.SerializeToString(deterministic=True) == second.SerializeToString(deterministic=True)


def test_photos_that_are_reshaped_together_are_refused():
    with pytest.raises(UserError, match="reshapes several photos as one; use saved_model"):
        onnx_graph.tidy(converted("one", shape=(2, 1, 1, 1)), {"y": "y", "x": "x"})
