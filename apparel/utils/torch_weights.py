"""PyTorch weights (`.pth` of `torch.save` before PyTorch 1.6) as arrays, without PyTorch, and nothing in them is run.

Such a file is a row of pickles, and Python's unpickler calls what a pickle names. It is not used here, not even a
restricted one, whose objects a pickle may still change: `pickletools` lists the instructions, and `_Machine` follows
those few that a dictionary of tensors is made of.
"""

import io
import math
import pickletools
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from apparel.errors import UserError, plain
from apparel.utils import limits

if TYPE_CHECKING:
    import numpy as np

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
"""First number of the file (torch/serialization.py)."""

PROTOCOL = 1001
"""Second number of the file, the only version that there is."""

MAX_INSTRUCTIONS = 1_000_000
"""Instructions of a pickle. A tensor takes 36, and large networks have some thousand tensors."""

MAX_DIMENSIONS = 8
"""Dimensions of a tensor; weights of convolutions have four."""

DTYPES = {
    "torch FloatStorage": "<f4",
    "torch DoubleStorage": "<f8",
    "torch HalfStorage": "<f2",
    "torch LongStorage": "<i8",
    "torch IntStorage": "<i4",
    "torch ByteStorage": "|u1",
}
"""NumPy's types of the storages that weights have, as the file names them."""

ORDERED_DICT = "collections OrderedDict"
REBUILD_TENSOR = "torch._utils _rebuild_tensor_v2"

_ZIP = b"PK\x03\x04"


class _Global(NamedTuple):
    """A name in a pickle, `module name`; it is never looked up."""

    name: str


class _Storage(NamedTuple):
    """The numbers of one or several tensors, which lie behind the pickles."""

    dtype: str
    key: str
    size: int


class _Tensor(NamedTuple):
    """A view of a storage; offset and strides count numbers, not bytes."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _Refused(Exception):
    """What is wrong with a pickle."""


def read_tensors(path: Path) -> dict[str, "np.ndarray"]:
    """The tensors of a state dictionary by name, read-only views of one buffer.

    Raises:
        UserError: the file is damaged or too large, of another layout, or has anything but tensors in it.
        OSError: there is no such file, or it cannot be read.
    """
    content = limits.read_bytes(path, limits.MAX_FILE_BYTES)
    if content.startswith(_ZIP):
        raise UserError(f"{path} is in the zip layout of PyTorch 1.6 and later, which is not read here")
    stream = io.BytesIO(content)
    try:
        _check_header(_load(stream), _load(stream), _load(stream))
        tensors = _named_tensors(_load(stream))
        numbers = _read_storages(stream, _load(stream), tensors)
        return {name: _view(tensor, numbers[tensor.storage.key]) for name, tensor in tensors.items()}
    except (_Refused, ValueError, TypeError, LookupError, OverflowError) as error:
        raise UserError(f"{path} is damaged, or no file of weights alone: {plain(str(error)[:200])}") from None


def _check_header(magic_number: Any, protocol: Any, system: Any) -> None:
    if type(magic_number) is not int or magic_number != MAGIC_NUMBER or type(protocol) is not int:
        _refuse("it does not begin as PyTorch's files do")
    if protocol != PROTOCOL or type(system) is not dict or system.get("little_endian") is not True:
        _refuse("it is of another version, or of a machine with another order of bytes")


def _named_tensors(state: Any) -> dict[str, _Tensor]:
    if type(state) is not dict or not state or not all(type(tensor) is _Tensor for tensor in state.values()):
        _refuse("it holds something else than a dictionary of tensors")
    return state


def _read_storages(stream: io.BytesIO, keys: Any, tensors: dict[str, _Tensor]) -> dict[str, "np.ndarray"]:
    """The numbers of each storage by key, views of the file's content."""
    import numpy as np

    storages = {tensor.storage.key: tensor.storage for tensor in tensors.values()}
    if len({tensor.storage for tensor in tensors.values()}) != len(storages):
        _refuse("a storage has two sizes or types")
    if type(keys) is not list or not all(type(key) is str for key in keys) or sorted(keys) != sorted(storages):
        _refuse("its list of storages is not that of its tensors")
    content, numbers = stream.getvalue(), {}
    position = stream.tell()
    for key in keys:
        storage = storages[key]
        if int.from_bytes(content[position : position + 8], "little") != storage.size:
            _refuse("a storage is of another size than its tensor says")
        numbers[key] = np.frombuffer(content, storage.dtype, storage.size, position + 8)
        position += 8 + numbers[key].nbytes
    if position != len(content):
        _refuse("something follows its last storage")
    return numbers


def _view(tensor: _Tensor, numbers: "np.ndarray") -> "np.ndarray":
    """The tensor's view of its storage; NumPy itself refuses one that reaches beyond."""
    import numpy as np

    size = numbers.itemsize
    if math.prod(tensor.shape) > numbers.size:
        _refuse("a tensor has more numbers than its storage")  # with strides of 0 a few bytes would seem gigabytes
    strides = [stride * size for stride in tensor.strides]
    return np.ndarray(tensor.shape, numbers.dtype, numbers, tensor.offset * size, strides)


def _load(stream: io.BytesIO) -> Any:
    """The value of the next pickle."""
    machine = _Machine()
    for number, (instruction, argument, _) in enumerate(pickletools.genops(stream)):
        if number >= MAX_INSTRUCTIONS:
            _refuse(f"a pickle in it has more than {MAX_INSTRUCTIONS:,} instructions")
        machine.follow(instruction.name, argument)
    return machine.pop()


CONSTANTS = ("LONG1", "BININT", "BININT1", "BININT2", "BINUNICODE")
VALUES = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
SHORT_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


class _Machine:
    """Follows a pickle's instructions (`pickletools` describes each) to numbers, texts, tuples, lists, dictionaries and
    tensors; whatever else they ask for is refused."""

    def __init__(self) -> None:
        self._stack: list[Any] = []
        self._outer: list[list[Any]] = []
        self._memo: dict[int, Any] = {}

    def follow(self, instruction: str, argument: Any) -> None:
        """Follows one instruction; raises `_Refused` or an `IndexError` or `KeyError` for one that cannot be."""
        if instruction in CONSTANTS:
            self._stack.append(argument)
        elif instruction in VALUES:
            self._stack.append(VALUES[instruction])
        elif instruction in SHORT_TUPLES:
            values = [self.pop() for _ in range(SHORT_TUPLES[instruction])]
            self._stack.append(tuple(reversed(values)))
        elif method := getattr(self, f"_{instruction.lower()}", None):
            method(argument)
        elif instruction not in ("PROTO", "STOP"):
            _refuse(f"a pickle in it has the instruction {instruction}")

    def pop(self) -> Any:
        """The last value, removed."""
        return self._stack.pop()

    def _global(self, name: str) -> None:
        if name not in (ORDERED_DICT, REBUILD_TENSOR, *DTYPES):
            _refuse(f"a pickle in it names {name}")
        self._stack.append(_Global(name))

    def _mark(self, _: Any) -> None:
        self._outer.append(self._stack)
        self._stack = []

    def _since_mark(self) -> list[Any]:
        values, self._stack = self._stack, self._outer.pop()
        return values

    def _tuple(self, _: Any) -> None:
        values = self._since_mark()
        self._stack.append(tuple(values))

    def _empty_list(self, _: Any) -> None:
        self._stack.append([])

    def _append(self, _: Any) -> None:
        value = self.pop()
        self._last(list).append(value)

    def _appends(self, _: Any) -> None:
        values = self._since_mark()
        self._last(list).extend(values)

    def _empty_dict(self, _: Any) -> None:
        self._stack.append({})

    def _setitem(self, _: Any) -> None:
        value, key = self.pop(), self.pop()
        self._set(key, value)

    def _setitems(self, _: Any) -> None:
        values = self._since_mark()
        for key, value in zip(values[::2], values[1::2], strict=True):
            self._set(key, value)

    def _set(self, key: Any, value: Any) -> None:
        if type(key) is not str:  # the hash of tuples in tuples may take for ever
            _refuse("a dictionary in it has a key that is no text")
        self._last(dict)[key] = value

    def _binput(self, number: int) -> None:
        self._memo[number] = self._stack[-1]

    _long_binput = _binput

    def _binget(self, number: int) -> None:
        self._stack.append(self._memo[number])

    _long_binget = _binget

    def _binpersid(self, _: Any) -> None:
        match self.pop():
            case (str("storage"), _Global(kind), str(key), str(), int(size), None) if kind in DTYPES and size >= 0:
                self._stack.append(_Storage(DTYPES[kind], key, size))
            case _:
                _refuse("a storage in it is not described as PyTorch does")

    def _reduce(self, _: Any) -> None:
        arguments, function = self.pop(), self.pop()
        match function, arguments:
            case _Global("collections OrderedDict"), ():
                self._stack.append({})
            case _Global("torch._utils _rebuild_tensor_v2"), (_Storage() as storage, offset, shape, strides, False, {}):
                self._stack.append(_tensor(storage, offset, shape, strides))
            case _:
                _refuse("a pickle in it calls something else than tensors are made by")

    def _build(self, _: Any) -> None:
        """The attributes of a state dictionary, such as versions of layers, are of no use here."""
        self.pop()
        self._last(dict)

    def _last(self, kind: type) -> Any:
        if type(self._stack[-1]) is not kind:
            _refuse(f"a pickle in it takes something for a {kind.__name__}")
        return self._stack[-1]


def _tensor(storage: _Storage, offset: Any, shape: Any, strides: Any) -> _Tensor:
    for sizes in ((offset,), shape, strides):
        if type(sizes) is not tuple or not all(type(size) is int and size >= 0 for size in sizes):
            _refuse("a tensor in it has a shape that is none")
    if len(shape) != len(strides) or len(shape) > MAX_DIMENSIONS:
        _refuse("a tensor in it has a shape that is none")
    return _Tensor(storage, offset, shape, strides)


def _refuse(why: str) -> NoReturn:
    raise _Refused(why)
