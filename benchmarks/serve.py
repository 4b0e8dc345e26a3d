"""Load test of `apparel serve`, beside its network alone and `mlflow models serve` on the same model and photos."""

import base64
import http.client
import json
import os
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np
import psutil
from tqdm import tqdm

from apparel import images, paths
from apparel.errors import UserError
from apparel.serving import run
from apparel.serving.loaded_model import LoadedModel
from apparel.tracking import model as tracked_model
from apparel.utils import files, processes

CLIENTS = (1, 8, 64)
"""Clients at once; each sends its next photo when it has the answer to the one before."""

SECONDS_TO_START = 600

BOUNDARY = "boundary-of-the-load-test"


@dataclass(frozen=True)
class Request:
    """A request of a load test: path, body and content type."""

    path: str
    body: bytes
    content_type: str


@dataclass(frozen=True)
class Load:
    """What a number of clients got.

    Attributes:
        clients: how many.
        seconds: from the first request to the last answer.
        latencies: seconds of each request that was answered with 200.
        failures: other answers, and connections that failed.
    """

    clients: int
    seconds: float
    latencies: Sequence[float]
    failures: int

    def row(self, name: str) -> str:
        """A line of the table."""
        if not self.latencies:
            return f"  {name:<28} {self.clients:>7}  no answer, {self.failures} failures"
        p50, p99 = (1000 * value for value in np.percentile(self.latencies, [50, 99]))
        rate = len(self.latencies) / self.seconds
        return f"  {name:<28} {self.clients:>7} {rate:>10.1f} {p50:>9.0f} {p99:>9.0f} {self.failures:>9}"


def measure(photos: Path, most: int, seconds: float) -> str:
    """Measures the trained model of the workspace, and its TFLite export if there is one; returns a table.

    Args:
        photos: folder.
        most: photos of it that are sent, in turn.
        seconds: of each number of clients.

    Raises:
        UserError: there is no trained model, or there are no photos.
    """
    found = [path for path in files.below(photos) if path.suffix.lower() in (".jpg", ".jpeg", ".png")][:most]
    if not found:
        raise UserError(f"{photos} has no photos")
    contents = [path.read_bytes() for path in found]
    models = [path for path in (paths.MODEL, paths.EXPORTS["tflite"]) if path.exists()]
    if not models:
        raise UserError(f"{paths.MODEL} not found; run `dvc repro train`")
    lines = [f"serve: {len(found)} photos, {psutil.cpu_count()} cores, load before {psutil.getloadavg()[0]:.1f}"]
    lines.append(f"  {'':<28} {'clients':>7} {'requests/s':>10} {'p50 ms':>9} {'p99 ms':>9} {'failures':>9}")
    for path in models:
        lines += _network_rows(path, contents, seconds)
        runtime = ["--runtime", "tensorflow"] if path == paths.MODEL else []
        with _server(["apparel", "serve", "--model", str(path), *runtime], "/readyz") as port:
            requests = [file_request(content) for content in contents]
            lines += [load.row(f"serve, {path.name}") for load in _loads(port, requests, seconds)]
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "model")
        tracked_model.save(paths.MODEL, found[0], target)
        command = ["mlflow", "models", "serve", "--env-manager", "local", "--model-uri", str(target)]
        with _server(command, "/ping") as port:
            requests = [mlflow_request(content) for content in contents]
            lines += [load.row("mlflow models serve, model") for load in _loads(port, requests, seconds)]
    return "\n".join(lines)


def file_request(content: bytes) -> Request:
    """A photo as a file of a form."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="photos"; filename="a.jpg"\r\n\r\n'
    body = head.encode() + content + f"\r\n--{BOUNDARY}--\r\n".encode()
    return Request("/detect", body, f"multipart/form-data; boundary={BOUNDARY}")


def mlflow_request(content: bytes) -> Request:
    """The same for MLflow's server."""
    frame = {"columns": ["image"], "data": [[base64.b64encode(content).decode()]]}
    body = json.dumps({"dataframe_split": frame, "params": {"lowest_score": 0.5}}).encode()
    return Request("/invocations", body, "application/json")


def load(port: int, requests: Sequence[Request], clients: int, seconds: float) -> Load:
    """Sends requests in turn for some seconds, each client on a connection of its own."""
    latencies: list[float] = []
    failures: list[str] = []
    number = count()
    start = time.perf_counter()

    def send() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        while time.perf_counter() < start + seconds:
            request = requests[next(number) % len(requests)]
            sent = time.perf_counter()
            try:
                connection.request("POST", request.path, request.body, {"Content-Type": request.content_type})
                response = connection.getresponse()
                answer = response.read()
            except (OSError, http.client.HTTPException) as error:
                failures.append(str(error))
                connection.close()
                continue
            if response.status == 200:
                latencies.append(time.perf_counter() - sent)
            else:
                failures.append(answer.decode(errors="replace"))

    threads = [threading.Thread(target=send) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Load(clients, time.perf_counter() - start, latencies, len(failures))


def _loads(port: int, requests: Sequence[Request], seconds: float) -> list[Load]:
    load(port, requests, 1, 1)  # the first requests are slower, and not counted
    return [load(port, requests, clients, seconds) for clients in tqdm(CLIENTS, desc="clients", leave=False)]


def _network_rows(path: Path, contents: Sequence[bytes], seconds: float) -> list[str]:
    """The rate of the network alone, on photos that are decoded and resized already."""
    threads = psutil.cpu_count() or 1
    model = LoadedModel(path.name, "", run.loader("tensorflow" if path == paths.MODEL else None, threads)(path))
    decoded = [images.decode(content, Path("photo")) for content in contents[:64]]
    prepared = [model.prepare(np.asarray(photo)) for photo in decoded]
    rows = []
    for together in (1, 64):
        rate = _rate(lambda together=together: _detect(model, prepared, together), together, seconds)
        rows.append(f"  {f'network alone, {path.name}':<28} {together:>7} {rate:>10.1f}")
    model.close()
    return rows


def _detect(model: LoadedModel, prepared: Sequence[np.ndarray], together: int) -> None:
    photos = [prepared[number % len(prepared)] for number in range(together)]
    futures = [model.submit(lambda photo=photo: photo) for photo in photos]
    for future in futures:
        future.result()


def _rate(work: Callable[[], None], amount: int, seconds: float) -> float:
    """Median of what is done a second."""
    rates, end = [], time.perf_counter() + seconds
    while not rates or time.perf_counter() < end:
        start = time.perf_counter()
        work()
        rates.append(amount / (time.perf_counter() - start))
    return statistics.median(rates)


@contextmanager
def _server(command: list[str], health: str) -> Iterator[int]:
    """The port of a server of this environment that answers; it ends with the block."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = processes.with_this_python(os.environ) | {"PYTHONPATH": str(Path.cwd())}
    program = [sys.executable, "-m", *command, "--port", str(port)]
    with tempfile.TemporaryFile("w+") as log:
        process = processes.start(program, env=environment, stdout=log, stderr=log)
        try:
            for _ in range(SECONDS_TO_START):
                if process.poll() is not None:
                    break
                if _is_well(port, health):
                    yield port
                    return
                time.sleep(1)
            log.seek(0)
            raise UserError(f"{' '.join(command[:3])} did not start: {log.read()[-1000:]}")
        finally:
            processes.end(processes.describe(process.pid))
            process.wait()


def _is_well(port: int, health: str) -> bool:
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", health)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
