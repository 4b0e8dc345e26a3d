"""Variables of a network that a checkpoint of TensorFlow 2 lacks, or has in another shape."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import tensorflow as tf
from tensorflow.core.protobuf.trackable_object_graph_pb2 import TrackableObjectGraph

from apparel.errors import plain, some_of
from apparel.utils import tensor_bundle
from apparel.utils.tensor_bundle import Tensor

SHOWN = 3
"""Variables that are named."""


def describe_difference(objects: tf.train.Checkpoint, path: Path) -> str | None:
    """How many variables of `objects` a checkpoint does not have as they are, and the first few; None if it has all.

    Args:
        objects: what is restored.
        path: the checkpoint, without an ending; its index and its object graph can be read.
    """
    graph = TrackableObjectGraph.FromString(tf.train.load_checkpoint(str(path)).get_tensor(tensor_bundle.OBJECT_GRAPH))
    tensors = tensor_bundle.read_index(path)
    variables = list(_variables(objects, graph, 0, set()))
    differences = [text for variable, node in variables if (text := _difference(variable, node, graph, tensors))]
    if not differences:
        return None
    count = f"{len(differences):,} of its {len(variables):,} variables"
    return f"{count} are missing or have another shape: {some_of(differences, SHOWN)}"


def _variables(
    trackable, graph: TrackableObjectGraph, node: int | None, seen: set[int]
) -> Iterator[tuple[tf.Variable, int | None]]:
    """Variables of an object and of those in it, each once, with its number in the checkpoint's graph."""
    if id(trackable) in seen:
        return
    seen.add(id(trackable))
    if isinstance(trackable, tf.Variable):
        yield trackable, node
        return
    stored = {} if node is None else {child.local_name: child.node_id for child in graph.nodes[node].children}
    for name, child in tf.train.TrackableView.children(trackable).items():
        yield from _variables(child, graph, stored.get(name), seen)


def _difference(
    variable: tf.Variable, node: int | None, graph: TrackableObjectGraph, tensors: Mapping[str, Tensor]
) -> str | None:
    name = plain("/".join(variable.name.removesuffix(":0").split("/")[-2:]))
    attributes = [] if node is None else graph.nodes[node].attributes
    if not attributes or attributes[0].checkpoint_key not in tensors:
        return f"{name} (missing)"
    there, here = list(tensors[attributes[0].checkpoint_key].shape), variable.shape.as_list()
    return None if there == here else f"{name} ({there} there, {here} here)"
