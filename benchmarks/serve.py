"""Load test of `apparel serve`, beside its network alone and `mlflow models serve` on the same model and photos."""

import asyncio
import base64
import http.client
import json
import os
import re
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
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
from benchmarks.side_by_side import Row

CLIENTS = (1, 8, 64)
"""Clients at once; each sends its next photo when it has the answer to the one before."""

SECONDS_TO_START = 600

SECONDS_TO_ANSWER = 120

MLFLOW = "mlflow models serve"

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

    def seconds_per_request(self) -> float:
        """Seconds of the load by the requests that were answered.

        Raises:
            UserError: none was.
        """
        if not self.latencies:
            raise UserError(f"no request of {self.clients} clients was answered, {self.failures} failed")
        return self.seconds / len(self.latencies)

    def latency(self) -> str:
        """Latencies, such as `p50 42 ms, p99 128 ms`, and failures, if there are any."""
        p50, p99 = (1000 * value for value in np.percentile(self.latencies, [50, 99]))
        return f"p50 {p50:,.0f} ms, p99 {p99:,.0f} ms" + (f", {self.failures} failures" if self.failures else "")


def measure(photos: Path, most: int, seconds: float, rounds: int) -> list[Row]:
    """Measures servers of the trained model of the workspace, and of its TFLite export if there is one.

    Args:
        photos: folder.
        most: photos of it that are sent, in turn.
        seconds: of each number of clients in each round.
        rounds: how often each server has each number of clients, in turn.

    Raises:
        UserError: there is no trained model, there are no photos, or a server answers nothing.
    """
    found = [path for path in files.below(photos) if path.suffix.lower() in (".jpg", ".jpeg", ".png")][:most]
    if not found:
        raise UserError(f"{photos} has no photos")
    contents = [path.read_bytes() for path in found]
    models = [path for path in (paths.MODEL, paths.EXPORTS["tflite"]) if path.exists()]
    if not models:
        raise UserError(f"{paths.MODEL} not found; run `dvc repro train`")
    file_requests, mlflow_requests = map(file_request, contents), map(mlflow_request, contents)
    with ExitStack() as stack:
        mlflow = stack.enter_context(_server(_mlflow_command(found[0], stack), "/ping"))
        senders = {MLFLOW: partial(load, mlflow, list(mlflow_requests))}
        requests = list(file_requests)
        networks = {}
        for path in models:
            runtime = ["--runtime", "tensorflow"] if path == paths.MODEL else []
            port = stack.enter_context(_server(["apparel", "serve", "--model", str(path), *runtime], "/readyz"))
            senders[f"serve, {path.name}"] = partial(load, port, requests)
            networks[f"serve, {path.name}"] = stack.enter_context(_network(path, contents))
        return _rows(senders, networks, seconds, rounds)


def _rows(
    senders: Mapping[str, Callable[[int, float], Load]],
    networks: Mapping[str, Callable[[int, float], float]],
    seconds: float,
    rounds: int,
) -> list[Row]:
    """Each server beside MLflow's and beside its network alone, by number of clients; all take turns."""
    rows = []
    for send in senders.values():
        send(1, 1)  # the first requests are slower, and not counted
    for clients in tqdm(CLIENTS, desc="clients", leave=False, disable=None):
        loads: dict[str, list[Load]] = {name: [] for name in senders}
        alone: dict[str, list[float]] = {name: [] for name in networks}
        for _ in range(rounds):
            for name, send in senders.items():
                loads[name].append(send(clients, seconds))
            for name, network in networks.items():
                alone[name].append(network(clients, seconds))
        times = {name: [each.seconds_per_request() for each in loads[name]] for name in senders}
        for name in networks:
            what, work = f"{name}, {clients} clients", f"decode, resize, detect; ours {loads[name][-1].latency()}"
            theirs = f"{work}; MLflow's {loads[MLFLOW][-1].latency()}"
            rows.append(Row(what, MLFLOW, times[name], times[MLFLOW], theirs, 1, "requests"))
            resized = f"{work}; the network alone has {clients} photos at once, resized"
            rows.append(Row(what, "network alone", times[name], alone[name], resized, 1, "requests"))
    return rows


def _mlflow_command(photo: Path, stack: ExitStack) -> list[str]:
    target = Path(stack.enter_context(tempfile.TemporaryDirectory()), "model")
    tracked_model.save(paths.MODEL, photo, target)
    return ["mlflow", "models", "serve", "--env-manager", "local", "--model-uri", str(target)]


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
    """Sends requests in turn for some seconds, each client on a connection of its own.

    All clients are in one thread: threads would wait for each other, and be measured with the server.
    """
    return asyncio.run(_load(port, requests, clients, seconds))


async def _load(port: int, requests: Sequence[Request], clients: int, seconds: float) -> Load:
    latencies: list[float] = []
    failures: list[str] = []
    bodies = [_http(request) for request in requests]
    number = count()
    start = time.perf_counter()

    async def send() -> None:
        connection = None
        while time.perf_counter() < start + seconds:
            sent = time.perf_counter()
            try:
                async with asyncio.timeout(SECONDS_TO_ANSWER):
                    connection = connection or await asyncio.open_connection("127.0.0.1", port)
                    status, answer = await _ask(*connection, bodies[next(number) % len(bodies)])
            except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
                failures.append(str(error))
                if connection:
                    connection[1].close()
                connection = None
                continue
            if status == 200:
                latencies.append(time.perf_counter() - sent)
            else:
                failures.append(answer.decode(errors="replace"))
        if connection:
            connection[1].close()

    await asyncio.gather(*(send() for _ in range(clients)))
    return Load(clients, time.perf_counter() - start, latencies, len(failures))


def _http(request: Request) -> bytes:
    """The request as HTTP/1.1."""
    head = f"POST {request.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {request.content_type}\r\n"
    return f"{head}Content-Length: {len(request.body)}\r\n\r\n".encode() + request.body


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> tuple[int, bytes]:
    """Status and body of the answer, which states its length, as those of both servers do."""
    writer.write(request)
    await writer.drain()
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = re.search(rb"content-length: *(\d+)", head)
    if length is None:
        raise ValueError("an answer does not state its length")
    return int(head.split(maxsplit=2)[1]), await reader.readexactly(int(length[1]))


@contextmanager
def _network(path: Path, contents: Sequence[bytes]) -> Iterator[Callable[[int, float], float]]:
    """A function from photos at once and seconds to measure to the seconds a photo of the network alone, which gets
    photos that are decoded and resized already."""
    model = LoadedModel(
        path.name, "", run.loader("tensorflow" if path == paths.MODEL else None, psutil.cpu_count() or 1)(path)
    )
    prepared = [model.prepare(np.asarray(images.decode(content, Path("photo")))) for content in contents[:64]]

    def seconds_per_photo(together: int, seconds: float) -> float:
        start, photos = time.perf_counter(), 0
        while photos == 0 or time.perf_counter() < start + seconds:
            photos_at_once = [prepared[number % len(prepared)] for number in range(together)]
            futures = [model.submit(lambda photo=photo: photo) for photo in photos_at_once]
            for future in futures:
                future.result()
            photos += together
        return (time.perf_counter() - start) / photos

    yield seconds_per_photo
    model.close()


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
