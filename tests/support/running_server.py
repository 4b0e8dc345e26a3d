"""The server of a model in a thread of a test, with a stand-in network, and requests to it."""

import http.client
import io
import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from apparel.serving import http_server
from apparel.serving.app import build_app
from apparel.serving.limits import Limits
from apparel.serving.models import Models
from tests.support import servers, stand_in_network


class Answer(NamedTuple):
    """An HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class RunningServer:
    """Where a server listens, and its parts."""

    def __init__(self, models: Models, server):
        self.models, self.server = models, server

    @property
    def port(self) -> int:
        return self.server.servers[0].sockets[0].getsockname()[1]

    @property
    def network(self) -> stand_in_network.StandInNetwork:
        return self.models.current.networks[0]

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """The answer to a request; header names have `_` for `-`."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            names = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, names)
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", path, **headers)

    def detect(self, *photos: tuple[str, bytes], query: str = "", **headers: str) -> Answer:
        """Sends files as a form does."""
        return self.ask("POST", f"/detect{query}", form(photos), Content_Type=FORM, **headers)

    def detect_json(self, content: Any) -> Answer:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        return self.ask("POST", "/detect", body, Content_Type="application/json")


BOUNDARY = "limit-of-parts"

FORM = f"multipart/form-data; boundary={BOUNDARY}"


def form(photos: Sequence[tuple[str, bytes]]) -> bytes:
    """A multipart body with files in the field `photos`."""
    parts = []
    for name, content in photos:
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="photos"; filename="{name}"\r\n\r\n'
        parts += [head.encode(), content, b"\r\n"]
    return b"".join([*parts, f"--{BOUNDARY}--\r\n".encode()])


def png(image: Image.Image) -> bytes:
    """A photo as a PNG file."""
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def models_of(*networks, name: str = "tests") -> Models:
    """Models with these networks, of this file."""
    models = Models(name, lambda name: Path(__file__), lambda path: list(networks))
    assert models.update(), models.problem
    return models


@contextmanager
def running(models: Models | None = None, **options: Any) -> Iterator[RunningServer]:
    """A server that listens; options are those of `build_app`."""
    models = models or models_of(stand_in_network.StandInNetwork())
    limits = options.pop("limits", Limits())
    app = build_app(models, 2, limits, **options)
    server = http_server.build_server(app, "127.0.0.1", 0, limits)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        servers.wait_for(lambda: server.started)
        yield RunningServer(models, server)
    finally:
        server.should_exit = True
        thread.join(60)
        assert not thread.is_alive()
        models.stop()
