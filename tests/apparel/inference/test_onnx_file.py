"""ONNX files that someone else made: one clear error each, before a runtime sees them."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from apparel.errors import UserError
from apparel.inference import onnx_file
from apparel.inference.onnx_network import OnnxNetwork
from apparel.inference.openvino_network import OpenVinoNetwork
from apparel.models.metadata import KEY
from apparel.utils import limits
from tests.support import onnx_files

SIDE = onnx_files.METADATA.height
IMAGES = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["N", SIDE, SIDE, 3])
OUTPUTS = {
    name: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
    for name, shape in (
        ("detection_boxes", ["N", 2, 4]),
        ("detection_classes", ["N", 2]),
        ("detection_scores", ["N", 2]),
        ("num_detections", ["N"]),
    )
}
VALUES = {
    "detection_boxes": [[[0, 0, 1, 1]] * 2],
    "detection_classes": [[1, 2]],
    "detection_scores": [[0.9, 0.5]],
    "num_detections": [2],
}


def model(values=VALUES, nodes=(), images=IMAGES, outputs=OUTPUTS, metadata=None, **options) -> onnx.ModelProto:
    """One that gives the same detections for every photo."""
    constants = [onnx.numpy_helper.from_array(np.array(value, np.float32), f"{n}0") for n, value in values.items()]
    sums = [helper.make_node("Add", [f"{name}0", "zero"], [name]) for name in values]
    lowest = helper.make_node("ReduceMin", [images.name], ["lowest"], keepdims=0)
    zero = helper.make_node("Sub", ["lowest", "lowest"], ["zero"])
    inner = [lowest, zero, *sums, *nodes]
    graph = helper.make_graph(inner, "constant", [images], list(outputs.values()), constants)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, **options)
    helper.set_model_props(made, {KEY: onnx_files.METADATA.to_json() if metadata is None else metadata})
    return made


def write(folder: Path, made: onnx.ModelProto | bytes) -> Path:
    path = folder / "given.onnx"
    path.write_bytes(made if isinstance(made, bytes) else made.SerializeToString())
    return path


@pytest.mark.parametrize("network", [OnnxNetwork, OpenVinoNetwork])
def test_a_file_of_others_with_the_same_interface_detects(tmp_path, network):
    detections = network(write(tmp_path, model())).detect(onnx_files.photos(1))
    assert detections.classes.tolist() == [[0, 1]]
    assert detections.count.tolist() == [2]


@pytest.mark.parametrize("network", [OnnxNetwork, OpenVinoNetwork])
@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"detection_scores": [[np.nan, 0.5]]}, "given.onnx gives scores that are no numbers from 0 to 1, such as nan"),
        ({"detection_classes": [[1, 3]]}, "given.onnx gives classes"),
        ({"num_detections": [3]}, "given.onnx gives numbers of detections"),
    ],
)
def test_numbers_that_are_none_are_refused(tmp_path, network, changed, message):
    loaded = network(write(tmp_path, model(VALUES | changed)))
    with pytest.raises(UserError, match=message):
        loaded.detect(onnx_files.photos(1))


def bomb() -> list[onnx.NodeProto]:
    shape = onnx.numpy_helper.from_array(np.array([2**20, 2**20], np.int64))
    return [helper.make_node("Constant", [], ["s"], value=shape), helper.make_node("ConstantOfShape", ["s"], ["bomb"])]


def loop() -> onnx.NodeProto:
    condition = helper.make_tensor_value_info("c", TensorProto.BOOL, [])
    count = helper.make_tensor_value_info("i", TensorProto.INT64, [])
    kept = helper.make_tensor_value_info("k", TensorProto.BOOL, [])
    body = helper.make_graph([helper.make_node("Identity", ["c"], ["k"])], "body", [count, condition], [kept])
    return helper.make_node("Loop", ["", ""], [], body=body)


def within_a_branch(node: onnx.NodeProto) -> list[onnx.NodeProto]:
    always = onnx.numpy_helper.from_array(np.array(True))
    branch = helper.make_graph([node], "branch", [], [])
    return [
        helper.make_node("Constant", [], ["always"], value=always),
        helper.make_node("If", ["always"], [], then_branch=branch, else_branch=branch),
    ]


def with_weights_elsewhere() -> onnx.ModelProto:
    made = model()
    tensor = onnx.numpy_helper.from_array(np.zeros(4, np.float32), "elsewhere")
    onnx.external_data_helper.set_external_data(tensor, "../../secret")
    tensor.ClearField("raw_data")
    made.graph.initializer.append(tensor)
    return made


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (b"", "has no metadata of a detector"),
        (b"no protocol buffer" * 9, "is no ONNX file, or damaged"),
        (model().SerializeToString()[:-40], "is no ONNX file, or damaged"),
        (model(metadata=""), "has no metadata of a detector"),
        (model(metadata="[" * 100_000), "has no metadata of a detector"),
        (model(images=helper.make_tensor_value_info("x", 1, ["N", 9, 9, 3])), r"its input should be images of \(N, 64"),
        (model(outputs=dict(reversed(OUTPUTS.items()))), "its outputs should be detection_boxes, detection_classes"),
        (model(outputs={}), "found none"),
        (model(nodes=bomb()), "it computes 1,099,511,627,776 numbers at once"),
        (model(nodes=[loop()]), "it has the operation 'Loop'"),
        (model(nodes=within_a_branch(loop())), "it has the operation 'Loop'"),
        (model(nodes=[helper.make_node("Run", [], ["y"], domain="other")]), "it has the operation 'Run'"),
        (with_weights_elsewhere(), "its weights are in other files"),
        (
            model(nodes=[helper.make_node("Identity", ["images"], [f"x{n}"]) for n in range(20_001)]),
            "20,007 operations",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_detector_is_one_clear_error(tmp_path, made, message):
    with pytest.raises(UserError, match=message) as raised:
        onnx_file.read(write(tmp_path, made))
    assert "given.onnx" in str(raised.value)
    assert "`apparel export`" in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("network", [OnnxNetwork, OpenVinoNetwork])
def test_operations_that_a_runtime_does_not_know_are_one_clear_error(tmp_path, network):
    values = {name: value for name, value in VALUES.items() if name != "num_detections"}
    made = model(values, nodes=[helper.make_node("Unheard", ["images"], ["num_detections"])])
    with pytest.raises(
        UserError, match=r"given.onnx: (.* cannot load it|its operations do not fit together)"
    ) as raised:
        network(write(tmp_path, made))
    assert "\n" not in str(raised.value)


def test_a_missing_or_huge_file_is_refused(tmp_path, monkeypatch):
    with pytest.raises(UserError, match=r"missing.onnx not found; write it with `apparel export --format onnx`"):
        onnx_file.read(tmp_path / "missing.onnx")
    monkeypatch.setattr(limits, "MAX_WEIGHTS_BYTES", 100)
    with pytest.raises(UserError, match=r"given.onnx is larger than 100 bytes"):
        onnx_file.read(write(tmp_path, model()))
