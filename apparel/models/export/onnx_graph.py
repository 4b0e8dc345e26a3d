"""Graphs that tf2onnx converted: in an order of their own, for any number of photos, with all batch normalisation
folded into the convolutions."""

from typing import Any

import numpy as np

from apparel.errors import UserError
from apparel.utils.optional_packages import import_package


def tidy(graph: Any, names: dict[str, str]) -> None:
    """Makes the graph that of any number of photos, and the same bytes in every conversion.

    Args:
        graph: an ONNX graph of one photo; is changed.
        names: new names of its input and outputs; all else is numbered, since tf2onnx counts on from one conversion to
            the next.
    """
    _fold_batch_norm(graph)
    _allow_any_batch(graph)
    _sort(graph, list(names))
    _rename(graph, {"": ""} | names)


def _arrays(graph: Any) -> dict[str, np.ndarray]:
    onnx = import_package("onnx")
    return {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}


def _set_array(graph: Any, name: str, values: np.ndarray) -> None:
    onnx = import_package("onnx")
    for tensor in (tensor for tensor in graph.initializer if tensor.name == name):
        tensor.CopyFrom(onnx.numpy_helper.from_array(values, name))


def _fold_batch_norm(graph: Any) -> None:
    """Folds what tf2onnx leaves: where a feature map is one pixel, it puts a reshape, which changes nothing, between
    the convolution and the normalisation."""
    arrays = _arrays(graph)
    producers = {output: node for node in graph.node for output in node.output}
    for norm in [node for node in graph.node if node.op_type == "BatchNormalization"]:
        reshape = producers.get(norm.input[0])
        convolution = producers.get(reshape.input[0]) if reshape is not None and reshape.op_type == "Reshape" else None
        if convolution is None or convolution.op_type != "Conv" or len(convolution.input) != 2:
            continue
        weights = arrays[convolution.input[1]]
        users = [node for node in graph.node for name in node.input if name in (*convolution.output, *reshape.output)]
        if len(users) != 2 or arrays[reshape.input[1]].tolist() != [1, len(weights), 1, 1]:
            continue
        scale, offset, mean, variance = (arrays[name] for name in norm.input[1:])
        epsilon = next(attribute.f for attribute in norm.attribute if attribute.name == "epsilon")
        scale = scale / np.sqrt(variance + np.float32(epsilon))
        _set_array(graph, convolution.input[1], weights * scale[:, np.newaxis, np.newaxis, np.newaxis])
        _set_array(graph, norm.input[2], offset - mean * scale)
        convolution.input.append(norm.input[2])
        convolution.output[:] = norm.output
        graph.node.remove(reshape)
        graph.node.remove(norm)


def _allow_any_batch(graph: Any) -> None:
    """Reshapes as many photos as there are, where the conversion had one."""
    arrays = _arrays(graph)
    for name in {node.input[1] for node in graph.node if node.op_type == "Reshape"}:
        if arrays[name][0] != 1:
            raise UserError("onnx: the network reshapes several photos as one; use saved_model")
        _set_array(graph, name, np.concatenate([[0], arrays[name][1:]]))  # 0: as in the input


def _sort(graph: Any, outputs: list[str]) -> None:
    """Sorts nodes by a walk from the outputs to what they need, and attributes by name."""
    producers = {output: node for node in graph.node for output in node.output}
    nodes, seen = [], set()
    waiting = [(name, False) for name in reversed(outputs)]
    while waiting:
        name, is_ready = waiting.pop()
        if name not in producers or (name in seen and not is_ready):
            continue
        if is_ready:
            nodes.append(producers[name])
            continue
        seen.update(producers[name].output)
        waiting.append((name, True))
        waiting.extend((needed, False) for needed in reversed(producers[name].input))
    for node in nodes:
        attributes = sorted(node.attribute, key=lambda attribute: attribute.name)
        del node.attribute[:]
        node.attribute.extend(attributes)
    del graph.node[:]
    graph.node.extend(nodes)


def _rename(graph: Any, names: dict[str, str]) -> None:
    """Numbers nodes, tensors and constants in the order of their use, and sorts the constants by it."""
    for number, node in enumerate(graph.node):
        node.name = f"{node.op_type}_{number}"
        node.input[:] = [names.setdefault(name, f"constant_{len(names)}") for name in node.input]
        node.output[:] = [names.setdefault(name, f"{node.name}:{index}") for index, name in enumerate(node.output)]
    used = {tensor.name: tensor for tensor in graph.initializer if tensor.name in names}
    constants = [used[name] for name in names if name in used]
    for tensor in constants:
        tensor.name = names[tensor.name]
    del graph.initializer[:]
    graph.initializer.extend(constants)
