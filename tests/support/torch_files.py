"""PyTorch files of before PyTorch 1.6, written without PyTorch."""

import collections
import io
import pickle
import struct
from collections.abc import Mapping

import numpy as np

from apparel.utils import torch_weights

View = tuple
"""Offset, shape and strides of a tensor in its storage, counted in numbers."""

STORAGES = {dtype: name.split()[1] for name, dtype in torch_weights.DTYPES.items()}


def content(tensors: Mapping[str, np.ndarray], views: Mapping[str, View] | None = None) -> bytes:
    """A file with these tensors, as the part `views` of their numbers where given."""
    return b"".join(pickles(tensors, views)) + numbers(tensors)


def pickles(tensors: Mapping[str, np.ndarray], views: Mapping[str, View] | None = None) -> list[bytes]:
    """The five pickles at the beginning: magic number, version, machine, tensors, names of the storages."""
    parts = [torch_weights.MAGIC_NUMBER, torch_weights.PROTOCOL, {"protocol_version": 1001, "little_endian": True}]
    state = collections.OrderedDict(
        (name, _Tensor(name, array, (views or {}).get(name) or _whole(array))) for name, array in tensors.items()
    )
    stream = io.BytesIO()
    _Pickler(stream, protocol=2).dump(state)
    plain = [pickle.dumps(part, protocol=2) for part in parts]
    return [*plain, stream.getvalue(), pickle.dumps(list(tensors), protocol=2)]


def numbers(tensors: Mapping[str, np.ndarray]) -> bytes:
    """What follows the pickles."""
    return b"".join(struct.pack("<q", array.size) + array.tobytes() for array in tensors.values())


def _whole(array: np.ndarray) -> View:
    return 0, array.shape, tuple(stride // array.itemsize for stride in array.strides)


class _Storage:
    def __init__(self, key: str, array: np.ndarray) -> None:
        self.key, self.array = key, array


class _Tensor:
    def __init__(self, key: str, array: np.ndarray, view: View) -> None:
        self.storage, self.view = _Storage(key, array), view


class _Named:
    """Pickled as a name that does not exist here."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name


class _Pickler(pickle._Pickler):
    """Python's pickler in Python, whose `save` can write names of PyTorch."""

    def save(self, obj: object, *arguments: object, **options: object) -> None:
        if isinstance(obj, _Named):
            self.write(f"c{obj.module}\n{obj.name}\n".encode())
        elif isinstance(obj, _Tensor):
            parts = (obj.storage, *obj.view, False, collections.OrderedDict())
            self.save(_Named("torch._utils", "_rebuild_tensor_v2"))
            self.save(parts)
            self.write(pickle.REDUCE)
        else:
            super().save(obj, *arguments, **options)

    def persistent_id(self, obj: object) -> tuple | None:
        if not isinstance(obj, _Storage):
            return None
        kind = _Named("torch", STORAGES[obj.array.dtype.str])
        return "storage", kind, obj.key, "cpu", obj.array.size, None
