from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import tensor_bundle_pb2

from apparel.errors import UserError
from apparel.utils import tensor_bundle

VALUES = {
    "a/kernel": np.zeros([3, 3, 2, 5], np.float32),
    "a/kernel/Momentum": np.ones([7], np.float64),
    "count": np.int64(3),
    "empty": np.zeros([0, 4], np.float16),
    "flags": np.array([True, False]),
    "texts": np.array(["one", "", "three" * 100], object),
}


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    """A checkpoint as TensorFlow 1 names its variables."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        variables = [tf.compat.v1.get_variable(name, initializer=tf.constant(value)) for name, value in VALUES.items()]
        session.run(tf.compat.v1.global_variables_initializer())
        tf.compat.v1.train.Saver(variables).save(session, str(tmp_path / "model.ckpt"))
    return tmp_path / "model.ckpt"


def test_an_index_is_read_as_tensorflow_reads_it(prefix: Path) -> None:
    tensors = tensor_bundle.read_index(prefix)
    assert {name: list(tensor.shape) for name, tensor in tensors.items()} == tf.train.load_checkpoint(
        str(prefix)
    ).get_variable_to_shape_map()
    assert tensors["a/kernel"].size == 3 * 3 * 2 * 5 * 4 and tensors["a/kernel"].dtype == 1


def test_an_index_of_thousands_of_tensors_in_many_blocks(tmp_path: Path) -> None:
    checkpoint = tf.train.Checkpoint(**{f"variable_{number}": tf.Variable([number]) for number in range(2000)})
    checkpoint.write(str(tmp_path / "ckpt"))
    tensors = tensor_bundle.read_index(tmp_path / "ckpt")
    assert len(tensors) == 2001 and tensor_bundle.OBJECT_GRAPH in tensors


def test_the_checksums_of_a_checkpoint_hold(prefix: Path) -> None:
    tensor_bundle.read_index(prefix)
    tensor_bundle.check_checksums(prefix)


def test_checksums_of_a_checkpoint_of_tensorflow_2_and_of_a_tensor_larger_than_what_is_read_at_once(tmp_path: Path):
    values = {"large": tf.Variable(tf.random.uniform([700_000])), "small": tf.Variable(1)}
    tf.train.Checkpoint(**values).write(str(tmp_path / "ckpt"))
    tensor_bundle.check_checksums(tmp_path / "ckpt")


@pytest.mark.parametrize("name", ["a/kernel", "a/kernel/Momentum", "count", "flags", "texts"])
def test_a_changed_byte_of_a_tensor_is_found(prefix: Path, name: str) -> None:
    tensor = tensor_bundle.read_index(prefix)[name]
    shard = prefix.with_name(f"{prefix.name}.data-00000-of-00001")
    data = bytearray(shard.read_bytes())
    data[tensor.offset + tensor.size - 1] ^= 1
    shard.write_bytes(data)
    with pytest.raises(UserError, match=f"the checksum of {name} differs"):
        tensor_bundle.check_checksums(prefix)
    with pytest.raises((tf.errors.OpError, ValueError)):  # as TensorFlow's reader does
        tf.train.load_checkpoint(str(prefix)).get_tensor(name)


def test_a_changed_byte_of_the_index_is_found(prefix: Path) -> None:
    path = prefix.with_name(f"{prefix.name}.index")
    data = path.read_bytes()
    changed = data.replace(b"a/kernel", b"b/kernel")
    assert changed != data
    path.write_bytes(changed)
    with pytest.raises(UserError, match=r"the checksum of model\.ckpt\.index differs"):
        tensor_bundle.check_checksums(prefix)


def varint(number: int) -> bytes:
    parts = []
    while number > 127:
        parts.append(number & 127 | 128)
        number >>= 7
    return bytes([*parts, number])


def block(entries: list[tuple[int, bytes, bytes]]) -> bytes:
    """A block of (bytes shared with the key before, rest of the key, value)."""
    data = b"".join(
        varint(shared) + varint(len(key)) + varint(len(value)) + key + value for shared, key, value in entries
    )
    return data + bytes(4) + (1).to_bytes(4, "little")


def index(entries: list[tuple[int, bytes, bytes]], kind: int = 0) -> bytes:
    """An index of one block, without checksums."""
    data = block([(0, b"", b""), *entries])
    index_block = block([(0, b"z", varint(0) + varint(len(data)))])
    start = len(data) + 5
    footer = (varint(0) + varint(0) + varint(start) + varint(len(index_block))).ljust(40, b"\0")
    magic = (0xDB4775248B80FB57).to_bytes(8, "little")
    return data + bytes([kind, 0, 0, 0, 0]) + index_block + bytes(5) + footer + magic


def entry(dtype: int = 1, shape: tuple[int, ...] = (2,), **fields: int) -> bytes:
    message = tensor_bundle_pb2.BundleEntryProto(dtype=dtype, **fields)
    for size in shape:
        message.shape.dim.add().size = size
    return message.SerializeToString()


HOSTILE = {
    "giant shape": ([(0, b"x", entry(shape=(10**6, 10**4), size=4))], r"x is declared as \[1000000, 10000\]"),
    "giant size": ([(0, b"x", entry(shape=(10**6, 10**4), size=4 * 10**10))], "x is not in its data files"),
    "negative": ([(0, b"x", entry(shape=(-(2**62), 4), size=8))], "x is declared as"),
    "unknown type": ([(0, b"x", entry(dtype=21, size=8))], "x is declared as"),
    "far away": ([(0, b"x", entry(size=8, offset=2**62))], "x is not in its data files"),
    "another file": ([(0, b"x", entry(size=8, shard_id=7))], "x is not in its data files"),
    "many texts": ([(0, b"x", entry(dtype=7, shape=(10**9,), size=100))], "x is declared as"),
    "one long text": ([(0, b"x", entry(dtype=7, shape=(), size=100))], "x is declared as"),
    "the same bytes often": (
        [(0, b"%03d" % n, entry(shape=(25,), size=100)) for n in range(20)],
        "declares 0 MB, more",
    ),
    "a name that grows": ([(0, b"x" * 900, entry(size=8)), (900, b"x" * 900, entry(size=8))], "is no index"),
    "slices": ([(0, b"x", entry(size=8) + b"\x3a\x00")], "is no index"),
}


@pytest.mark.parametrize("how", HOSTILE)
def test_what_an_index_declares_is_refused_before_tensorflow_reads_it(tmp_path: Path, how: str) -> None:
    entries, message = HOSTILE[how]
    (tmp_path / "ckpt.index").write_bytes(index(entries))
    (tmp_path / "ckpt.data-00000-of-00001").write_bytes(b"\xff" * 1000)
    with pytest.raises(UserError, match=message):
        tensor_bundle.read_index(tmp_path / "ckpt")


def test_such_an_index_of_small_tensors_is_taken(tmp_path: Path) -> None:
    (tmp_path / "ckpt.index").write_bytes(index([(0, b"aa", entry(size=8)), (1, b"b", entry(size=8, offset=8))]))
    (tmp_path / "ckpt.data-00000-of-00001").write_bytes(bytes(1000))
    assert list(tensor_bundle.read_index(tmp_path / "ckpt")) == ["aa", "ab"]


@pytest.mark.parametrize("content", [b"", b"noise" * 100, index([], kind=1), bytes(20_000_000)])
def test_what_is_no_index_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "ckpt.index").write_bytes(content)
    (tmp_path / "ckpt.data-00000-of-00001").write_bytes(bytes(1000))
    with pytest.raises(UserError, match=r"ckpt\.index is (no index|larger)"):
        tensor_bundle.read_index(tmp_path / "ckpt")


def test_a_checkpoint_without_an_index_or_data_is_named(prefix: Path) -> None:
    prefix.with_name("model.ckpt.data-00000-of-00001").unlink()
    with pytest.raises(UserError, match=r"model\.ckpt is missing or damaged: .* is not in its data files"):
        tensor_bundle.read_index(prefix)
    with pytest.raises(UserError, match=r"other is missing or damaged: there is no other\.index"):
        tensor_bundle.read_index(prefix.with_name("other"))
