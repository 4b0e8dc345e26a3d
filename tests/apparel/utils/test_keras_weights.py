import subprocess
import sys

import h5py
import numpy as np
import pytest

from apparel.errors import UserError
from apparel.utils import keras_weights
from tests.support.repository import KERAS, ROOT

KERNEL = np.arange(6, dtype=np.float32).reshape(2, 3)


@pytest.fixture
def path(tmp_path):
    """Weights of one layer, as Keras saves them."""
    with h5py.File(tmp_path / "weights.h5", "w") as file:
        file.attrs["layer_names"] = [b"input", b"conv1"]
        file.create_group("input").attrs["weight_names"] = np.array([], "S1")
        file.create_group("conv1").attrs["weight_names"] = [b"conv1/kernel:0"]
        file["conv1"]["conv1/kernel:0"] = KERNEL
    return tmp_path / "weights.h5"


def test_a_layer_is_read_once_its_shapes_are_those_expected(path):
    with keras_weights.opened(path) as layers:
        assert keras_weights.layer_names(layers) == ["input", "conv1"]
        assert keras_weights.shapes(layers, "conv1") == {"conv1/kernel:0": (2, 3)}
        (kernel,) = keras_weights.read_layer(layers, "conv1", [(2, 3)])
        np.testing.assert_array_equal(kernel, KERNEL)
        with pytest.raises(UserError, match=r"conv1 has weights of the shapes \[\[2, 3\]\], .* \[\[3, 2\]\]"):
            keras_weights.read_layer(layers, "conv1", [(3, 2)])


def attack(file, how):
    if how == "24 GB that are not stored":
        file.create_dataset("big", (1000, 1000, 6000), "f4")
    elif how == "24 GB that shrink":
        file.create_dataset("big", (1000, 1000, 6000), "f4", chunks=(1000, 1000, 1), compression="gzip")
    elif how == "pieces of gigabytes":
        file.create_dataset("big", (1,), "f4", maxshape=(None,), chunks=(2**29,), compression="gzip")
    elif how == "many arrays":
        for number in range(100):
            file.create_dataset(f"big{number}", (1_000_000,), "f4")
    elif how == "another file":
        file["big"] = h5py.ExternalLink("/etc/passwd", "/x")
    elif how == "numbers in another file":
        file.create_dataset("big", (100,), "u1", external=[("/etc/passwd", 0, 100)])
    elif how == "virtual":
        layout = h5py.VirtualLayout((100,), "f4")
        layout[:] = h5py.VirtualSource("/etc/passwd", "x", (100,))
        file.create_virtual_dataset("big", layout)
    elif how == "text":
        file.create_dataset("big", (100,), h5py.string_dtype())


HOW = {
    "24 GB that are not stored": "declares more than 24,000 MB",
    "24 GB that shrink": "declares more than 24,000 MB",
    "pieces of gigabytes": "declares more than 2,147 MB",
    "many arrays": "declares more than 4 MB",
    "another file": "refers to another place or file",
    "numbers in another file": "are in another file",
    "virtual": "are in another file",
    "text": "is no array of numbers",
}


@pytest.mark.parametrize("how", HOW)
def test_what_a_file_declares_is_refused_before_it_is_read(path, how):
    with h5py.File(path, "a") as file:
        attack(file, how)
    with pytest.raises(UserError, match=HOW[how]), keras_weights.opened(path):
        pass


def test_a_group_in_itself_is_looked_at_once(path):
    with h5py.File(path, "a") as file:
        file["conv1"]["again"] = file["/"]
    with keras_weights.opened(path) as layers:
        assert "conv1" in keras_weights.layer_names(layers)


@pytest.mark.parametrize("content", [b"not HDF5", None])
def test_another_file_and_a_shortened_one_are_refused(path, content):
    path.write_bytes(content or path.read_bytes()[:-500])
    with pytest.raises(UserError, match=r"weights\.h5 is damaged"), keras_weights.opened(path):
        pass


READ = """
import resource, sys
from pathlib import Path
import h5py
from apparel.errors import UserError
from apparel.utils import keras_weights
resource.setrlimit(resource.RLIMIT_AS, (2_000_000_000,) * 2)
try:
    with keras_weights.opened(Path(sys.argv[1])):
        pass
except UserError as error:
    sys.exit(f"{error}")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits memory as Linux does")
def test_a_file_that_declares_24_gb_takes_little_memory(path):
    with h5py.File(path, "a") as file:
        attack(file, "24 GB that shrink")
    done = subprocess.run(
        [sys.executable, "-c", READ, str(path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert "declares more than 24,000 MB" in done.stderr


@pytest.mark.shared("pretrained/mobilenet_1_0_224_tf_no_top.h5")
def test_weights_of_keras_applications_are_within_the_limits():
    with keras_weights.opened(KERAS) as layers:
        assert keras_weights.shapes(layers, "conv1") == {"conv1/kernel:0": (3, 3, 3, 32)}
