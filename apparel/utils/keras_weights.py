"""Keras `.h5` weights: what the file declares is held against limits, and against the layer, before a number is read.

HDF5 stores a shape of gigabytes in a few bytes, and gives zeros or unpacks for what is not stored.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from apparel.errors import UserError, one_line, plain
from apparel.utils import limits

if TYPE_CHECKING:
    import h5py
    import numpy as np

MAX_OBJECTS = 100_000
"""Groups and arrays in a file; the largest of Keras' networks has some thousand."""


@contextmanager
def opened(path: Path) -> Iterator["h5py.Group"]:
    """The group of layers of a `.h5` file as Keras saves weights, or a model with them.

    Raises:
        UserError: the file is damaged, is no such file, declares more than it holds or than weights have, or refers to
            other files; in the block also for what h5py cannot read.
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:  # raises if the file is cut short
            _check_declared(file, path)
            layers = file.get("model_weights", file)
            if not isinstance(layers, h5py.Group) or "layer_names" not in layers.attrs:
                raise UserError(f"{path} does not hold weights as Keras saves them")
            yield layers
    except (OSError, RuntimeError, KeyError, TypeError, ValueError, MemoryError) as error:
        raise UserError(f"{path} is damaged: {plain(one_line(error))}") from None


def layer_names(layers: "h5py.Group") -> list[str]:
    """The names of the layers, in order; layers without weights have one, too."""
    return [_text(name) for name in layers.attrs["layer_names"]]


def shapes(layers: "h5py.Group", layer: str) -> dict[str, tuple[int, ...]]:
    """The shapes of a layer's weights by name, in Keras' order; they are not read."""
    names = [_text(name) for name in layers[layer].attrs["weight_names"]]
    return {name: layers[layer][name].shape for name in names}


def read_layer(layers: "h5py.Group", layer: str, expected: Sequence[tuple[int, ...]]) -> list["np.ndarray"]:
    """The weights of a layer.

    Args:
        layers: from `opened`.
        layer: its name.
        expected: the shapes that the weights must have.

    Raises:
        UserError: they have others; nothing is read then.
    """
    declared = shapes(layers, layer)
    if list(declared.values()) != list(expected):
        have, want = ([list(shape) for shape in some] for some in (declared.values(), expected))
        raise UserError(f"its layer {plain(layer)} has weights of the shapes {have}, the backbone's has {want}")
    return [layers[layer][name][()] for name in declared]


def _check_declared(file: "h5py.File", path: Path) -> None:
    """Raises a `UserError` unless all arrays are numbers that the file itself holds, and not too many."""
    size = path.stat().st_size
    left, objects = limits.UnpackLimits(size), 0
    pending = [file]
    seen = set()
    while pending:
        item = pending.pop()
        objects += 1
        if objects > MAX_OBJECTS:
            raise UserError(f"{path} holds more than {MAX_OBJECTS:,} arrays and groups, more than weights have")
        _check_attributes(item, size, path)
        if hasattr(item, "keys"):
            for name in item:
                _check_link(item, name, path)
                member = item[name]
                if hash(member.id) not in seen:  # a group may be in itself
                    seen.add(hash(member.id))
                    pending.append(member)
        else:
            declared = _declared_bytes(item, path)
            if declared > limits.MAX_WEIGHTS_BYTES or left.bytes < declared:
                raise UserError(
                    f"{path} has {size:,} bytes and declares more than {declared / 1e6:,.0f} MB, as a "
                    f"decompression bomb does ({plain(item.name)})"
                )
            left.use(1, declared)


def _check_link(group: "h5py.Group", name: str, path: Path) -> None:
    import h5py

    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise UserError(f"{path}: {plain(name)} in it refers to another place or file, which weights do not need")


def _declared_bytes(array: "h5py.Dataset", path: Path) -> int:
    """Bytes that reading an array takes: all of it, or one of the pieces that it is stored in if those are larger."""
    import h5py

    if not isinstance(array, h5py.Dataset) or array.dtype.kind not in "fiub":
        raise UserError(f"{path}: {plain(array.name)} in it is no array of numbers")
    if array.is_virtual or array.external:
        raise UserError(f"{path}: the numbers of {plain(array.name)} are in another file")
    return max(math.prod(array.shape or ()), math.prod(array.chunks or ())) * array.dtype.itemsize


def _check_attributes(item: "h5py.Group | h5py.Dataset", size: int, path: Path) -> None:
    """Raises a `UserError` for attributes whose texts may together be far larger than the file."""
    import h5py

    for name in item.attrs:
        attribute = h5py.h5a.open(item.id, name.encode())
        texts = math.prod(attribute.shape) if attribute.dtype.kind == "O" else 0
        if max(texts * size, math.prod(attribute.shape) * attribute.dtype.itemsize) > limits.MAX_WEIGHTS_BYTES:
            raise UserError(f"{path}: its attribute {plain(name)} is larger than weights need")


def _text(name: bytes | str) -> str:
    return name.decode() if isinstance(name, bytes) else name
