"""Both runtimes of ONNX files: what they detect, on how many photos, and that they keep to themselves."""

import subprocess
import sys

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from apparel.errors import UserError
from apparel.inference import networks
from apparel.inference.tensorflow_network import of_detector
from tests.support import onnx_files
from tests.support.repository import ROOT

RUNTIMES = ("ONNX Runtime", "OpenVINO")


pytestmark = pytest.mark.slow  # the conversion


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The trained model's network, and the file."""
    path = tmp_path_factory.mktemp("export") / "detector.onnx"
    return of_detector(onnx_files.write(path)), path


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_detections_are_those_of_the_trained_model(exported, runtime):
    trained, path = exported
    network = networks.load(path, runtime, threads=1)
    assert (network.runtime, network.batch_size, network.metadata) == (runtime, None, onnx_files.METADATA)
    kept = []
    for photos in (2, 1, 3):  # the number may change from call to call
        images = onnx_files.photos(photos)
        kept.append((network.detect(images), trained.detect(images)))
    for found, expected in kept:  # later calls leave earlier results alone
        assert {values.dtype for values in found} == {np.dtype(np.float32)}
        np.testing.assert_allclose(found.scores, expected.scores, rtol=0, atol=1e-5)
        np.testing.assert_array_equal(found.count, expected.count)
        for photo in range(len(found.count)):
            distances = cdist(above_lowest(found, photo), above_lowest(expected, photo))
            assert max(distances.min(axis=0).max(), distances.min(axis=1).max()) < 1e-4


def above_lowest(detections, photo: int) -> np.ndarray:
    """Score, class and box of a photo's detections, but for the lowest score: which of several equal ones are kept, and
    in which order equal ones come, differs from runtime to runtime."""
    columns = [detections.scores[photo], detections.classes[photo], *detections.boxes[photo].T]
    return np.stack(columns, axis=1)[detections.scores[photo] > detections.scores[photo].min() + 1e-4]


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_photos_of_another_size_are_one_clear_error(exported, runtime):
    network = networks.load(exported[1], runtime)
    with pytest.raises(UserError, match=f"detector.onnx: {runtime} cannot run it"):
        network.detect(np.zeros((1, 65, 64, 3), np.float32))


def test_another_runtime_is_refused(exported):
    with pytest.raises(UserError, match=r"TensorFlow runs no ONNX files.*ONNX Runtime, OpenVINO"):
        networks.load(exported[1], "TensorFlow")


@pytest.mark.parametrize(("runtime", "package"), [("ONNX Runtime", "onnxruntime"), ("OpenVINO", "openvino")])
def test_a_package_that_is_not_installed_is_named_with_the_command(exported, monkeypatch, runtime, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UserError, match=f"package {package}, which is not installed: run `make setup-export`"):
        networks.load(exported[1], runtime)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_neither_tensorflow_nor_a_network_is_needed(exported, runtime):
    """Python's own connections; OpenVINO's core and ONNX Runtime hold no address to connect to."""
    code = (
        "import sys\n"
        "def refuse(event, arguments):\n"
        "    if event in ('socket.connect', 'socket.getaddrinfo', 'socket.sendto'):\n"
        "        raise SystemExit(f'{event} {arguments}')\n"
        "sys.addaudithook(refuse)\n"
        "import numpy as np\n"
        "from pathlib import Path\n"
        "from apparel.inference import networks\n"
        f"network = networks.load(Path({str(exported[1])!r}), {runtime!r})\n"
        "network.detect(np.zeros((1, 64, 64, 3), np.float32))\n"
        "assert not {'tensorflow', 'openvino_telemetry'} & set(sys.modules)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
