"""PyTorch weights: tensors are read, and whatever else a pickle can ask for is refused and never run."""

import collections
import io
import os
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest

from apparel.errors import UserError
from apparel.utils import torch_weights
from tests.support import torch_files

MATRIX = np.arange(6, dtype="<f4").reshape(2, 3)


def read(path: Path, content: bytes) -> dict[str, np.ndarray]:
    path.write_bytes(content)
    return torch_weights.read_tensors(path)


def refusal(path: Path, content: bytes) -> str:
    with pytest.raises(UserError) as refused:
        read(path, content)
    assert str(path) in str(refused.value)
    return str(refused.value)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "weights.pth"


def test_tensors_come_out_as_they_were_stored(path):
    tensors = read(path, torch_files.content({"a.weight": MATRIX, "b": np.array([7, 8], "<i8")}))
    np.testing.assert_array_equal(tensors["a.weight"], MATRIX)
    assert tensors["b"].tolist() == [7, 8]
    assert not tensors["b"].flags.writeable


def test_a_tensor_may_be_a_turned_part_of_its_storage(path):
    tensors = read(path, torch_files.content({"a": MATRIX}, views={"a": (1, (2, 2), (1, 3))}))
    np.testing.assert_array_equal(tensors["a"], [[1, 4], [2, 5]])


class Runs:
    """Writes a file where it is unpickled."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("position", range(5))
def test_nothing_in_a_file_is_run(path, position):
    pickles = torch_files.pickles({"a": MATRIX})
    pickles[position] = pickle.dumps(Runs(path.with_name("ran")), protocol=2)
    message = refusal(path, b"".join(pickles) + torch_files.numbers({"a": MATRIX}))
    assert "names posix mkdir" in message or "names nt mkdir" in message
    assert not path.with_name("ran").exists()


HOSTILE = {
    "names builtins eval": b"cbuiltins\neval\n.",
    "names collections defaultdict": pickle.dumps(collections.defaultdict(), protocol=2),
    "instruction STACK_GLOBAL": b"X\x08\x00\x00\x00builtinsX\x04\x00\x00\x00eval\x93.",
    "instruction INST": b"(X\x04\x00\x00\x00echoios\nsystem\n.",
    "instruction NEWOBJ": b"ccollections\nOrderedDict\n)\x81.",
    "instruction EXT1": b"\x80\x02\x82\x01.",
    "calls something else": b"ccollections\nOrderedDict\n(]t\x85R.",
    "a key that is no text": b"}(K\x01K\x01tK\x01s.",
    "takes something for a dict": b"]X\x01\x00\x00\x00aK\x01s.",
    "no attributes": b"ccollections\nOrderedDict\nX\x01\x00\x00\x00ab.",
    "a memo without a value": b"h\x07.",
    "an end without a value": b".",
    "nothing after the mark": b"(.",
    "no end": b"}",
    "a text of gigabytes": b"X\xff\xff\xff\x7fabc.",
    "a number of gigabytes": b"\x8b\xff\xff\xff\x7f1.",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_pickles_are_refused(path, name):
    pickles = torch_files.pickles({"a": MATRIX})
    pickles[3] = HOSTILE[name]
    message = refusal(path, b"".join(pickles) + torch_files.numbers({"a": MATRIX}))
    said = name if name.startswith(("names", "instruction", "calls", "takes")) or "no text" in name else "is damaged"
    assert said in message


@pytest.mark.parametrize(
    ("view", "why"),
    [
        ((0, (1_000_000, 1_000_000), (0, 0)), "more numbers than its storage"),
        ((0, (3, 3), (3, 1)), "more numbers than its storage"),
        ((4, (2, 2), (2, 1)), "damaged"),
        ((0, (2, 3), (1 << 70, 1)), "damaged"),
        ((0, (2, -3), (3, 1)), "shape that is none"),
        ((0, (2, 3), (3,)), "shape that is none"),
        ((0, (2, "3"), (3, 1)), "shape that is none"),
        ((0, (1,) * 60, (1,) * 60), "shape that is none"),
        ((-1, (2, 2), (1, 1)), "shape that is none"),
    ],
)
def test_a_view_beyond_its_storage_is_refused(path, view, why):
    assert why in refusal(path, torch_files.content({"a": MATRIX}, views={"a": view}))


def test_every_place_to_cut_a_file_is_noticed(path):
    content = torch_files.content({"a": MATRIX, "b": MATRIX[0]})
    for length in range(0, len(content), 3):
        refusal(path, content[:length])
    assert "something follows" in refusal(path, content + b"\0")


def test_any_changed_byte_gives_weights_or_one_error(path):
    content = torch_files.content({"a": MATRIX})
    for place in range(0, len(content), 3):
        for value in (0, 255, content[place] ^ 1):
            changed = content[:place] + bytes([value]) + content[place + 1 :]
            try:
                assert all(type(array) is np.ndarray for array in read(path, changed).values())
            except UserError as error:
                assert "\n" not in str(error)


def test_texts_and_tuples_in_tuples_take_no_time(path):
    """Each tuple holds the one before twice: comparing or hashing the last would take 2**400 steps."""
    doubled = b")" + b"q\x00h\x00\x86" * 400
    for hostile in (doubled + b".", b"}" + doubled + b"K\x01s.", b"ctorch\nFloatStorage\n" + doubled + b"Q."):
        pickles = torch_files.pickles({"a": MATRIX})
        pickles[3] = hostile
        refusal(path, b"".join(pickles))


def test_a_storage_of_another_size_than_declared_is_refused(path):
    content = torch_files.content({"a": MATRIX})
    size = content.rindex(struct.pack("<q", MATRIX.size))
    changed = content[:size] + struct.pack("<q", 1 << 40) + content[size + 8 :]
    assert "another size" in refusal(path, changed)


def test_too_many_instructions_are_refused(path, monkeypatch):
    monkeypatch.setattr(torch_weights, "MAX_INSTRUCTIONS", 20)
    assert "more than 20 instructions" in refusal(path, torch_files.content({"a": MATRIX}))


def test_other_layouts_are_named(path):
    stream = io.BytesIO()
    np.savez(stream, a=MATRIX)
    assert "zip layout" in refusal(path, stream.getvalue())
    assert "does not begin" in refusal(path, pickle.dumps(1, protocol=2) * 5)
