"""ONNX files of detectors, checked before a runtime loads them: anyone may have made one."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from apparel.errors import UserError, one_line, plain
from apparel.models.export.onnx_interface import INPUT, OUTPUTS
from apparel.models.metadata import KEY, Metadata
from apparel.utils import limits
from apparel.utils.optional_packages import import_package

MAX_NODES = 20_000
"""Operations of a network; an SSD MobileNet has 200, the largest SSD of TensorFlow's model zoo a few thousand."""

MAX_VALUES = 2**29
"""Numbers in one tensor, 2 GB of float32. An SSD MobileNet at 4,096 pixels has a quarter of that in its largest."""

LOOPS = {"Loop", "Scan", "SequenceMap"}
"""Operations that may run for ever; no export needs them."""


def read(path: Path) -> tuple[bytes, Metadata]:
    """The content of an ONNX file and its metadata, for a runtime to load from memory.

    Raises:
        UserError: the file is damaged, too large, or none of this project's detectors; says why.
    """
    onnx = import_package("onnx")
    try:
        content = limits.read_bytes(path, limits.MAX_WEIGHTS_BYTES)
        model = onnx.load_model_from_string(content)
    except FileNotFoundError:
        raise UserError(f"{path} not found; write it with `apparel export --format onnx`") from None
    except DecodeError:
        raise UserError(f"{path} is no ONNX file, or damaged; write it again with `apparel export`") from None
    texts = [entry.value for entry in model.metadata_props if entry.key == KEY]
    metadata = Metadata.from_json(texts[0] if texts else "", str(path))
    try:
        _check_operations(model)
        _check_interface(model, metadata)
        _check_sizes(onnx, model)
    except UserError as error:
        raise UserError(f"{path}: {error}; write it again with `apparel export`") from None
    return content, metadata


def _graphs(graph: Any) -> Iterator[Any]:
    """A graph, and those within its operations."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in [attribute.g, *attribute.graphs]:
                if inner.node:
                    yield from _graphs(inner)


def _check_operations(model: Any) -> None:
    """Raises a `UserError` for operations that are not ONNX's own or may not end, and for weights in other files."""
    graphs = list(_graphs(model.graph))
    nodes = [node for graph in graphs for node in graph.node]
    if len(nodes) > MAX_NODES:
        raise UserError(f"it has {len(nodes):,} operations, and the limit is {MAX_NODES:,}")
    foreign = [node.op_type for node in nodes if node.domain not in ("", "ai.onnx") or node.op_type in LOOPS]
    foreign += [function.name for function in model.functions]
    if foreign:
        raise UserError(f"it has the operation '{plain(foreign[0])}', which no detector of this project has")
    tensors = [tensor for graph in graphs for tensor in graph.initializer]
    tensors += [attribute.t for node in nodes for attribute in node.attribute if attribute.HasField("t")]
    if any(tensor.external_data for tensor in tensors):
        raise UserError("its weights are in other files, which are not read")


def _check_interface(model: Any, metadata: Metadata) -> None:
    """Raises a `UserError` for inputs or outputs that are not those of `apparel.models.export.onnx`."""
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in constants]
    shape = (metadata.height, metadata.width, 3)
    found = [(value.name, _shape(value)[1:]) for value in inputs]
    if found != [(INPUT, shape)]:
        raise UserError(f"its input should be {INPUT} of (N, {', '.join(map(str, shape))}), found {_listed(found)}")
    outputs = [(value.name, len(_shape(value))) for value in model.graph.output]
    if outputs != list(zip(OUTPUTS, (3, 2, 2, 1), strict=True)):
        raise UserError(f"its outputs should be {', '.join(OUTPUTS)}, found {_listed(outputs)}")


def _listed(values: list[tuple]) -> str:
    return plain(", ".join(f"{name} of {shape}" for name, shape in values)) or "none"


def _shape(value: Any) -> tuple[int, ...]:
    """Lengths of the dimensions; 0 for one that is not given."""
    return tuple(dimension.dim_value for dimension in value.type.tensor_type.shape.dim)


def _check_sizes(onnx: Any, model: Any) -> None:
    """Raises a `UserError` where a tensor takes more memory than any detector's, as far as the file tells."""
    try:
        inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    except (RuntimeError, ValueError) as error:
        raise UserError(f"its operations do not fit together: {one_line(error, 100)}") from None
    for graph in _graphs(inferred.graph):
        for value in [*graph.value_info, *graph.output]:
            values = math.prod(max(1, length) for length in _shape(value))
            if values > MAX_VALUES:
                raise UserError(f"it computes {values:,} numbers at once, and the limit is {MAX_VALUES:,}")
