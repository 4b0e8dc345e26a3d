import signal
import socket
import subprocess
import sys
import threading
import types
from pathlib import Path

import pytest

from apparel import paths
from apparel.errors import UserError
from apparel.inference import networks
from apparel.serving import run
from apparel.serving.models import Models
from apparel.versioning import dvc_hash
from tests.support import servers, stand_in_network
from tests.support.repository import ROOT
from tests.support.running_server import RunningServer, png

SERVE = """
import sys, time
from pathlib import Path
from apparel.serving import run
from apparel.serving.models import Models
from tests.support import stand_in_network

class Slow(stand_in_network.StandInNetwork):
    def detect(self, images):
        time.sleep(1)
        return super().detect(images)

models = Models("slow", lambda name: Path(__file__), lambda path: [Slow(batch_size=1)])
run.serve(models, "127.0.0.1", int(sys.argv[1]), 1)
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


class Remote(RunningServer):
    """A server in another process."""

    def __init__(self, port: int):
        self._port = port

    @property
    def port(self) -> int:
        return self._port


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_once_requests_are_answered(tmp_path, ending):
    script = tmp_path / "serve.py"
    script.write_text(SERVE, encoding="utf-8")
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, script, str(port)], env={"PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE
    )
    try:
        servers.wait_for(lambda: servers.answers(f"http://127.0.0.1:{port}/readyz") or process.poll() is not None)
        server, answers = Remote(port), []
        photo = ("a.png", png(stand_in_network.photo()))
        clients = [threading.Thread(target=lambda: answers.append(server.detect(photo).status)) for _ in range(3)]
        for client in clients:
            client.start()
        servers.wait_for(lambda: b"apparel_photos_waiting 3.0" in server.get("/metrics").body)
        process.send_signal(ending)
        for client in clients:
            client.join()
        assert answers == [200, 200, 200]
        status = process.wait(60)
        assert status == 0 if ending == signal.SIGTERM else status != 0
    finally:
        process.kill()
        process.wait()


def test_a_first_model_that_cannot_be_loaded_is_an_error(tmp_path):
    (tmp_path / "hash").write_text("damaged", encoding="utf-8")
    handler = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(UserError, match="is damaged"):
            run.serve(Models(str(tmp_path), Path, stand_in_network.load), "127.0.0.1", free_port(), 1)
    finally:
        signal.signal(signal.SIGTERM, handler)


@pytest.mark.parametrize(
    ("runtime", "batch_size", "loaded"),
    [
        ("TensorFlow Lite", 1, [3, 1, 1, 1]),  # the first only tells which kind it is
        ("ONNX Runtime", None, [3]),  # one of three threads, which takes batches
        ("TensorFlow", 1, [3]),
        ("SavedModel", 1, [3]),
    ],
)
def test_networks_by_threads(monkeypatch, runtime, batch_size, loaded):
    threads = []

    def load(path, chosen, number):
        threads.append(number)
        return types.SimpleNamespace(runtime=runtime, batch_size=batch_size)

    monkeypatch.setattr(networks, "load", load)
    assert len(run.loader(None, 3)(Path())) == (len(loaded) - 1 or 1)
    assert threads == loaded


def test_the_fastest_export_of_the_model_is_loaded_and_logged(monkeypatch, tmp_path, caplog):
    monkeypatch.chdir(tmp_path)
    paths.MODEL.mkdir(parents=True)
    for name in ("pipeline.config", "thresholds.json"):
        (paths.MODEL / name).touch()
    model = dvc_hash.path_hash(paths.MODEL)
    paths.EXPORTS["tflite"].parent.mkdir(parents=True)
    paths.EXPORTS["tflite"].touch()

    def load(path, chosen, number):
        runtime = "TensorFlow Lite" if path.suffix else "TensorFlow"
        return types.SimpleNamespace(runtime=runtime, batch_size=1, metadata=types.SimpleNamespace(model=model))

    monkeypatch.setattr(networks, "load", load)
    with caplog.at_level("INFO", "apparel.serving"):
        loaded = run.loader(None, 2)(paths.MODEL)
    assert [network.runtime for network in loaded] == ["TensorFlow Lite"] * 2
    assert caplog.messages == [f"detects by TensorFlow Lite ({paths.EXPORTS['tflite'].as_posix()})"]
    assert [network.runtime for network in run.loader("tensorflow", 2)(paths.MODEL)] == ["TensorFlow"]
