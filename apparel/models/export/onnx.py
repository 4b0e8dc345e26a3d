"""ONNX file of an SSD with post-processing inside, for ONNX Runtime, OpenVINO and others.

The network is converted by tf2onnx, which folds batch normalisation into convolutions and makes the image's channels
the first dimension. The Object Detection API's loops over photos and classes do not convert; the suppression is ONNX's
own operation instead, with the same result.
"""

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from apparel.errors import UserError
from apparel.models.detector import Detector
from apparel.models.export import onnx_graph
from apparel.models.export.onnx_interface import INPUT, OUTPUTS
from apparel.models.metadata import KEY, Metadata
from apparel.utils import files
from apparel.utils.optional_packages import import_package

OPSET = 17
"""Version of ONNX's operations: ONNX Runtime from 1.12 (2022) and OpenVINO from 2022.3 on take it."""

DESCRIPTION = (
    "Detects garments. images: float32 (N, H, W, 3) RGB, 0 to 255. detection_boxes: (N, D, 4) ymin, xmin, ymax, xmax "
    "in 0..1; detection_classes: (N, D), from 1; detection_scores: (N, D), the highest first; num_detections: (N,). "
    "The classes and their thresholds are in the metadata."
)

CANDIDATES = 10
"""Boxes of the highest scores that the suppression looks at first, as a multiple of the detections that are kept."""

NO_SCORE = -1.0
"""Score of boxes that are no detections; those of the network are from 0 to 1."""


def write(detector: Detector, metadata: Metadata, target: Path) -> None:
    """Writes the file `target`; one detector always gives the same bytes.

    Raises:
        UserError: a package is not installed, or the pipeline file has what the format cannot hold.
    """
    onnx = import_package("onnx")
    _check_pipeline(detector)
    model = _complete(onnx, detector, metadata, _convert(detector))
    onnx.checker.check_model(model, full_check=True)
    files.write_bytes(target, model.SerializeToString(deterministic=True))


def _check_pipeline(detector: Detector) -> None:
    """Raises a `UserError` for a pipeline file whose detections the graph would not give."""
    kind = detector.config.model.WhichOneof("model")
    if kind != "ssd":
        raise UserError(f"onnx holds an SSD, and the pipeline file has {kind}; use saved_model")
    ssd = detector.config.model.ssd
    suppression = ssd.post_processing.batch_non_max_suppression
    unsupported = {
        "a resizer other than fixed_shape_resizer": not ssd.image_resizer.HasField("fixed_shape_resizer"),
        "a box coder other than faster_rcnn_box_coder": not ssd.box_coder.HasField("faster_rcnn_box_coder"),
        "soft_nms_sigma": suppression.soft_nms_sigma > 0,
        "use_class_agnostic_nms": suppression.use_class_agnostic_nms,
        "use_combined_nms": suppression.use_combined_nms,
        "use_static_shapes": suppression.use_static_shapes,
    }
    for name in (name for name, found in unsupported.items() if found):
        raise UserError(f"onnx cannot hold {name}, which the pipeline file has; use saved_model")


def _convert(detector: Detector) -> Any:
    """ONNX model from images to decoded boxes, boxes clipped to the photo, and scores; see `_network`."""
    tf2onnx = import_package("tf2onnx")
    shape = [1, *_input_size(detector), 3]
    function = tf.function(_network, autograph=False).get_concrete_function(
        detector, tf.TensorSpec(shape, tf.float32, name=INPUT)
    )
    frozen = convert_variables_to_constants_v2(function)
    outputs = [tensor.name for tensor in frozen.outputs]
    model, _ = tf2onnx.convert._convert_common(
        frozen.graph.as_graph_def(),
        opset=OPSET,
        input_names=[f"{INPUT}:0"],
        output_names=outputs,
    )
    names = dict(zip(outputs, ("boxes", "clipped", "scores"), strict=True))
    onnx_graph.tidy(model.graph, names | {f"{INPUT}:0": INPUT})
    return model


def _input_size(detector: Detector) -> tuple[int, int]:
    resizer = detector.config.model.ssd.image_resizer.fixed_shape_resizer
    return resizer.height, resizer.width


def _network(detector: Detector, images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Boxes (1, A, 4), the same clipped to the photo, and scores (1, C, A) of the classes without the background."""
    tf.keras.backend.set_learning_phase(False)
    detector.model._is_training = False
    predictions = detector._predict(images, tf.constant([images.shape[1:].as_list()]))
    boxes = _decode(detector, predictions["box_encodings"])
    scores = detector.model._score_conversion_fn(predictions["class_predictions_with_background"])
    if detector.model._add_background_class or detector.model._explicit_background_class:
        scores = scores[:, :, 1:]
    return boxes, tf.clip_by_value(boxes, 0.0, 1.0), tf.transpose(scores, [0, 2, 1])


def _decode(detector: Detector, encodings: tf.Tensor) -> tf.Tensor:
    """Boxes ymin, xmin, ymax, xmax from their encodings, (N, A, 4), as the API's faster_rcnn_box_coder.py.

    That one repeats the anchors for each photo, and so fixes the number of photos.
    """
    coder = detector.config.model.ssd.box_coder.faster_rcnn_box_coder
    anchors = detector.model._anchors.get()
    sizes = anchors[:, 2:] - anchors[:, :2]
    centres = encodings[..., :2] * (sizes / [coder.y_scale, coder.x_scale]) + (anchors[:, :2] + sizes / 2)
    half_sizes = tf.exp(encodings[..., 2:] / [coder.height_scale, coder.width_scale]) * (sizes / 2)
    return tf.concat([centres - half_sizes, centres + half_sizes], axis=-1)


def _complete(onnx: ModuleType, detector: Detector, metadata: Metadata, network: Any) -> Any:
    """The model of the network with its suppression and metadata."""
    model = onnx.helper.make_model(
        _with_suppression(onnx, detector, network.graph),
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        ir_version=network.ir_version,
        producer_name="apparel",
        doc_string=DESCRIPTION,
    )
    onnx.helper.set_model_props(model, {KEY: metadata.to_json()})
    return model


def _with_suppression(onnx: ModuleType, detector: Detector, network: Any) -> Any:
    """The graph of the network for any number of photos, followed by non-maximum suppression by class.

    As `multiclass_non_max_suppression` of the API's post_processing.py: by class, of boxes that are not clipped yet;
    then those without area on the photo are left out, and the highest scores of all classes are kept.
    """
    options = detector.config.model.ssd.post_processing.batch_non_max_suppression
    anchors = detector.model._anchors.num_boxes_static()
    candidates = anchors * len(detector.classes)
    most = min(options.max_total_detections, candidates)
    constants = {
        "most_by_class": np.array([options.max_detections_per_class], np.int64),
        "iou_threshold": np.array([options.iou_threshold], np.float32),
        "score_threshold": np.array([options.score_threshold], np.float32),
        "no_score": np.array(NO_SCORE, np.float32),
        "zero": np.array(0, np.float32),
        "one": np.array(1, np.float32),
        "first": np.array([0], np.int64),
        "second": np.array([1], np.int64),
        "third": np.array([2], np.int64),
        "fourth": np.array([4], np.int64),
        "anchors": np.array(anchors, np.int64),
        "by_photo": np.array([0, -1], np.int64),
        "most": np.array([most], np.int64),
        "candidates": np.array([min(CANDIDATES * most, candidates)], np.int64),
        "classes_and_anchors": np.array([1, 2], np.int64),
        "enough": np.array(most, np.float32),
    }
    float32 = onnx.TensorProto.FLOAT
    tensor = onnx.helper.make_tensor_value_info
    shapes = ([most, 4], [most], [most], [])
    nodes = [
        *_scores_on_photo(onnx),
        *(_selection(onnx) if candidates > CANDIDATES * most else _suppression(onnx, "scores", "kept_scores")),
        *_highest(onnx),
    ]
    return onnx.helper.make_graph(
        [*network.node, *nodes],
        detector.config.model.ssd.feature_extractor.type,
        [tensor(INPUT, float32, ["N", *_input_size(detector), 3])],
        [tensor(name, float32, ["N", *shape]) for name, shape in zip(OUTPUTS, shapes, strict=True)],
        [
            *network.initializer,
            *(onnx.numpy_helper.from_array(value, name) for name, value in constants.items()),
        ],
    )


def _scores_on_photo(onnx: ModuleType) -> list[Any]:
    """From `clipped` and `scores` to `scores_on_photo`: NO_SCORE for boxes that have no area on the photo."""
    make = onnx.helper.make_node
    return [
        make("Slice", ["clipped", "first", "third", "third"], ["top_left"]),
        make("Slice", ["clipped", "third", "fourth", "third"], ["bottom_right"]),
        make("Sub", ["bottom_right", "top_left"], ["sides"]),
        make("ReduceProd", ["sides"], ["areas"], axes=[2], keepdims=1),
        make("Greater", ["areas", "zero"], ["has_area_by_box"]),
        make("Transpose", ["has_area_by_box"], ["has_area"], perm=[0, 2, 1]),
        make("Where", ["has_area", "scores", "no_score"], ["scores_on_photo"]),
    ]


def _selection(onnx: ModuleType) -> list[Any]:
    """From `scores` to `kept_scores`, by way of the highest scores alone, which takes less time with many classes.

    No box suppresses one of a higher score: where the highest give as many detections as are kept, the others change
    nothing. Where they do not, the suppression runs on all scores.
    """
    make = onnx.helper.make_node
    kept = onnx.helper.make_tensor_value_info("kept_scores", onnx.TensorProto.FLOAT, None)
    branches = {
        "then_branch": [make("Identity", ["kept_of_highest"], ["kept_scores"])],
        "else_branch": _suppression(onnx, "scores", "kept_scores"),
    }
    return [
        make("Reshape", ["scores", "by_photo"], ["scores_by_photo"]),
        make("TopK", ["scores_by_photo", "candidates"], ["candidate_scores", "candidate_positions"]),
        make("ReduceMin", ["candidate_scores"], ["lowest_by_photo"], axes=[1], keepdims=1),
        make("Unsqueeze", ["lowest_by_photo", "third"], ["lowest"]),
        make("GreaterOrEqual", ["scores", "lowest"], ["is_candidate"]),
        make("Where", ["is_candidate", "scores", "no_score"], ["highest_scores"]),
        *_suppression(onnx, "highest_scores", "kept_of_highest"),
        make("Greater", ["kept_of_highest", "no_score"], ["is_kept"]),
        make("Cast", ["is_kept"], ["kept"], to=onnx.TensorProto.FLOAT),
        make("ReduceSum", ["kept", "classes_and_anchors"], ["kept_by_photo"], keepdims=0),
        make("ReduceMin", ["kept_by_photo"], ["least_kept"], keepdims=0),
        make("GreaterOrEqual", ["least_kept", "enough"], ["is_enough"]),
        make(
            "If",
            ["is_enough"],
            ["kept_scores"],
            **{name: onnx.helper.make_graph(nodes, name, [], [kept]) for name, nodes in branches.items()},
        ),
    ]


def _suppression(onnx: ModuleType, scores: str, kept_scores: str) -> list[Any]:
    """Nodes of the suppression by class: `scores_on_photo` of the selected boxes, NO_SCORE in place of the others."""
    make = onnx.helper.make_node
    limits = ["most_by_class", "iou_threshold", "score_threshold"]
    name = f"{kept_scores}:{scores}"
    return [
        make("NonMaxSuppression", ["boxes", scores, *limits], [f"{name}:selected"]),
        make("GatherND", ["scores_on_photo", f"{name}:selected"], [f"{name}:scores"]),
        make("Mul", [scores, "zero"], [f"{name}:zeros"]),
        make("Add", [f"{name}:zeros", "no_score"], [f"{name}:nothing"]),
        make("ScatterND", [f"{name}:nothing", f"{name}:selected", f"{name}:scores"], [kept_scores]),
    ]


def _highest(onnx: ModuleType) -> list[Any]:
    """From `kept_scores` to the outputs: the highest of all classes, equal ones in the order of classes, then anchors.

    After the last detection come zeros, with class 1, as from the API's exporter.
    """
    make = onnx.helper.make_node
    return [
        make("Reshape", ["kept_scores", "by_photo"], ["all_kept_scores"]),
        make("TopK", ["all_kept_scores", "most"], ["top_scores", "top_positions"]),
        make("Greater", ["top_scores", "no_score"], ["is_detection"]),
        make("Div", ["top_positions", "anchors"], ["top_classes"]),
        make("Mul", ["top_classes", "anchors"], ["class_positions"]),
        make("Sub", ["top_positions", "class_positions"], ["top_anchors"]),
        make("Unsqueeze", ["top_anchors", "third"], ["box_indices"]),
        make("GatherND", ["clipped", "box_indices"], ["top_boxes"], batch_dims=1),
        make("Unsqueeze", ["is_detection", "third"], ["is_box"]),
        make("Where", ["is_box", "top_boxes", "zero"], ["detection_boxes"]),
        make("Where", ["is_detection", "top_scores", "zero"], ["detection_scores"]),
        make("Cast", ["top_classes"], ["class_numbers"], to=onnx.TensorProto.FLOAT),
        make("Where", ["is_detection", "class_numbers", "zero"], ["classes_from_0"]),
        make("Add", ["classes_from_0", "one"], ["detection_classes"]),
        make("Cast", ["is_detection"], ["counted"], to=onnx.TensorProto.FLOAT),
        make("ReduceSum", ["counted", "second"], ["num_detections"], keepdims=0),
    ]
