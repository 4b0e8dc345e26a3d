"""TensorFlow checkpoints: what the index declares, held against the data files before TensorFlow reads it.

TensorFlow allocates what an index declares before it looks at the data, so that an index of a few bytes may take all
memory. The index is a table as LevelDB stores them (github.com/google/leveldb, doc/table_format.md) of messages
`BundleEntryProto` (tensorflow/core/protobuf/tensor_bundle.proto), which TensorFlow writes uncompressed.
"""

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import google_crc32c

from apparel.errors import UserError, plain
from apparel.utils import limits

MAX_INDEX_BYTES = 10_000_000
"""Bytes of an index, and of all text in a checkpoint; the largest detector of the model zoos has a tenth."""

MAX_KEY_BYTES = 1_000
"""Bytes of a tensor's name; an index stores what a name shares with the one before it only once."""

FOOTER_BYTES = 48
MAGIC = 0xDB4775248B80FB57
"""Length of a table's end, and the number in its last eight bytes."""

BYTES_AT_ONCE = 1 << 20
"""Read for a checksum: a tensor may have gigabytes."""

STRING = 7
"""TensorFlow's number for text, whose elements have no fixed size."""

BYTES_OF_TYPE = {
    **{1: 4, 2: 8, 3: 4, 4: 1, 5: 2, 6: 1, 8: 8, 9: 8, 10: 1},
    **{14: 2, 17: 2, 18: 16, 19: 2, 22: 4, 23: 8},
}
"""Bytes of an element by TensorFlow's number of its type (tensorflow/core/framework/types.proto)."""

OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
"""Tensor that a checkpoint of TensorFlow 2 has and one of TensorFlow 1 has not."""


class Tensor(NamedTuple):
    """What an index says of a tensor: number of its type, shape, where its bytes are, and their masked CRC-32C."""

    dtype: int
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    checksum: int


def read_index(prefix: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint by name, from `PREFIX.index`, all of which lie in its data files.

    Raises:
        UserError: the checkpoint is missing or damaged, or declares more than its data files hold; names the file.
    """
    path = prefix.with_name(f"{prefix.name}.index")
    try:
        tensors = _parse(limits.read_bytes(path, MAX_INDEX_BYTES))
    except FileNotFoundError:
        raise UserError(f"{prefix} is missing or damaged: there is no {path.name}") from None
    except (ValueError, IndexError):
        raise UserError(f"{prefix} is missing or damaged: {path.name} is no index of a checkpoint") from None
    shards = _shards(prefix)
    text_bytes = 0
    for name, tensor in tensors.items():
        if tensor.shard >= len(shards) or tensor.offset + tensor.size > shards[tensor.shard].stat().st_size:
            raise UserError(f"{prefix} is missing or damaged: {plain(name)} is not in its data files")
        if tensor.dtype == STRING:
            text_bytes += tensor.size
            sound = _is_text(shards[tensor.shard], tensor)
        else:
            sound = tensor.size == math.prod(tensor.shape) * BYTES_OF_TYPE.get(tensor.dtype, -1)
        if not sound:
            raise UserError(
                f"{prefix} is missing or damaged: {plain(name)} is declared as {list(tensor.shape)}, but has "
                f"{tensor.size:,} bytes"
            )
    total = sum(tensor.size for tensor in tensors.values())
    if total > min(limits.MAX_WEIGHTS_BYTES, sum(shard.stat().st_size for shard in shards)):
        raise UserError(f"{prefix} declares {total / 1e6:,.0f} MB, more than its data files or any weights have")
    if text_bytes > MAX_INDEX_BYTES:
        raise UserError(f"{prefix} has {text_bytes:,} bytes of text, more than weights have")
    return tensors


def check_checksums(prefix: Path) -> None:
    """Compares every tensor of a checkpoint, and the index itself, with their checksums, as TensorFlow's reader does.

    Ours, since importing TensorFlow for it takes seconds.

    Args:
        prefix: of a checkpoint that `read_index` read.

    Raises:
        UserError: a checksum differs; names the tensor, or the index.
    """
    path = prefix.with_name(f"{prefix.name}.index")
    if not all(_is_sound_block(*block) for block in _blocks(path.read_bytes())):
        raise UserError(f"{prefix} is missing or damaged: the checksum of {path.name} differs")
    shards = _shards(prefix)
    for name, tensor in read_index(prefix).items():
        if _masked(_crc32c(shards[tensor.shard], tensor)) != tensor.checksum:
            raise UserError(f"{prefix} is missing or damaged: the checksum of {plain(name)} differs")


def _crc32c(shard: Path, tensor: Tensor) -> int:
    """CRC-32C of a tensor's bytes; the lengths of text count as numbers of four bytes, however they are stored."""
    crc = 0
    with shard.open("rb") as file:
        file.seek(tensor.offset)
        left = tensor.size
        if tensor.dtype == STRING:
            data, place = file.read(left), 0
            for _ in range(math.prod(tensor.shape)):
                length, place = _varint(data, place)
                crc = google_crc32c.extend(crc, length.to_bytes(4, "little"))
            return google_crc32c.extend(crc, data[place:])
        while left:
            data = file.read(min(left, BYTES_AT_ONCE))
            crc, left = google_crc32c.extend(crc, data), left - len(data)
    return crc


def _masked(crc: int) -> int:
    """A CRC-32C as LevelDB and TensorFlow store it (github.com/google/leveldb, util/crc32c.h)."""
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def _blocks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Each block of an index, with the byte of its type, and its stored checksum."""
    footer = data[-FOOTER_BYTES:]
    meta, place = _block_handle(footer, 0)
    index, _ = _block_handle(footer, place)
    handles = [meta, index, *(_block_handle(block, 0)[0] for _, block in _entries(data, index))]
    for offset, size in handles:
        yield data[offset : offset + size + 1], data[offset + size + 1 : offset + size + 5]


def _is_sound_block(block: bytes, checksum: bytes) -> bool:
    return _masked(google_crc32c.value(block)) == int.from_bytes(checksum, "little")


def _shards(prefix: Path) -> list[Path]:
    """The data files of a checkpoint in order; of several numberings the first."""
    names = re.compile(re.escape(prefix.name) + r"\.data-(\d{5})-of-(\d{5})")
    shards = sorted(path for path in prefix.parent.glob(f"{prefix.name}.data-*") if names.fullmatch(path.name))
    return [path for path in shards if path.name.endswith(shards[0].name[-5:])]


def _parse(data: bytes) -> dict[str, Tensor]:
    """The entries of an index.

    Raises:
        ValueError, IndexError: it is no index as TensorFlow writes it.
    """
    footer = data[-FOOTER_BYTES:]
    if len(footer) < FOOTER_BYTES or int.from_bytes(footer[-8:], "little") != MAGIC:
        raise ValueError("no table")
    _, place = _block_handle(footer, 0)  # of the meta index, which is empty
    handle, _ = _block_handle(footer, place)
    tensors = {}
    for _, block in _entries(data, handle):
        for key, value in _entries(data, _block_handle(block, 0)[0]):
            if key:  # the empty one is the header
                tensors[key.decode()] = _tensor(value)
    return tensors


def _entries(data: bytes, handle: tuple[int, int]) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of a block, given its offset and size."""
    offset, size = handle
    block = data[offset : offset + size]
    if len(block) != size or data[offset + size] != 0:  # the type: 0 is uncompressed
        raise ValueError("no block")
    end = size - 4 - 4 * int.from_bytes(block[-4:], "little")
    place, key = 0, b""
    while place < end:
        shared, place = _varint(block, place)
        unshared, place = _varint(block, place)
        length, place = _varint(block, place)
        if shared + unshared > MAX_KEY_BYTES or place + unshared + length > end:
            raise ValueError("no entry")
        key = key[:shared] + block[place : place + unshared]
        place += unshared + length
        yield key, block[place - length : place]


def _tensor(message: bytes) -> Tensor:
    """A `BundleEntryProto`; an entry that is stored in slices (partitioned variables) is refused."""
    numbers, shape, checksum = dict.fromkeys((1, 3, 4, 5), 0), (), 0
    for field, value in _fields(message):
        if field in numbers:
            numbers[field] = value
        elif field == 6:
            checksum = int.from_bytes(value, "little")
        elif field == 2:
            shape = tuple(_dimension(dimension) for number, dimension in _fields(value) if number == 2)
        elif field == 7:
            raise ValueError("slices")
    return Tensor(numbers[1], shape, numbers[3], numbers[4], numbers[5], checksum)


def _dimension(message: bytes) -> int:
    return next((value for field, value in _fields(message) if field == 1), 0)


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a message of protocol buffers: number, and value as it is stored."""
    place = 0
    while place < len(message):
        tag, place = _varint(message, place)
        kind = tag & 7
        if kind == 0:
            value, place = _varint(message, place)
        elif kind == 2:
            length, place = _varint(message, place)
            value, place = message[place : place + length], place + length
        elif kind == 5:
            value, place = message[place : place + 4], place + 4
        else:
            raise ValueError("no field")
        yield tag >> 3, value


def _varint(data: bytes, place: int) -> tuple[int, int]:
    """A number of variable length, and the place behind it."""
    number = shift = 0
    while True:
        byte = data[place]
        number |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return number, place
        if shift > 63:
            raise ValueError("no number")


def _block_handle(data: bytes, place: int) -> tuple[tuple[int, int], int]:
    offset, place = _varint(data, place)
    size, place = _varint(data, place)
    return (offset, size), place


def _is_text(shard: Path, tensor: Tensor) -> bool:
    """Whether the lengths before a tensor's text add up: as many numbers as elements, a checksum, and the text."""
    count = math.prod(tensor.shape)
    if tensor.size > MAX_INDEX_BYTES or count > tensor.size:
        return False
    with shard.open("rb") as file:
        file.seek(tensor.offset)
        data = file.read(tensor.size)
    try:
        place = total = 0
        for _ in range(count):
            length, place = _varint(data, place)
            total += length
    except (ValueError, IndexError):
        return False
    return place + 4 + total == tensor.size
