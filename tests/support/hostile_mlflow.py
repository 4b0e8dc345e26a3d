"""MLflow's own server in this process, behind a proxy that answers in its place."""

import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

LOGIN = "/login"

ANSWERS = {
    "a proxy's 404": (404, "text/html", "<h1>Not Found</h1>"),
    "a login page": (200, "text/html", "<form>password</form>"),
    "a redirect to a login page": (302, "text/html", ""),
    "nothing": (200, "application/json", ""),
    "JSON of another service": (200, "application/json", '{"status": "ok"}'),
    "JSON that is no object": (200, "application/json", "[]"),
    "JSON with other fields": (200, "application/json", '{"files": [{}], "run": 5, "runs": {}, "metrics": "none"}'),
    "a 404 of another service": (404, "application/json", '{"detail": "Not Found"}'),
    "an error code alone": (404, "application/json", '{"error_code": "RESOURCE_DOES_NOT_EXIST"}'),
    "a number as error code": (400, "application/json", '{"error_code": 400, "message": "INVALID_PARAMETER_VALUE"}'),
    "too large": (413, "text/html", "<h1>Request Entity Too Large</h1>"),
    "a bad gateway": (502, "text/html", "<h1>Bad Gateway</h1>"),
}
"""Status, type and content of answers that are not MLflow's."""


class Proxy:
    """A WSGI application between a client and MLflow's.

    Attributes:
        answer: one of `ANSWERS`, given in place of MLflow's to the first requests of each kind; None lets all through.
        times: how many of each kind.
        passes_on: whether MLflow gets the request all the same, so that only its answer is lost.
        only: kinds of requests that are answered falsely; None stands for all.
        calls: how often each kind of request was made.
    """

    def __init__(self) -> None:
        from mlflow.server import app

        self._mlflow = app.wsgi_app
        self.reset()

    def reset(self, answer=None, times=1, passes_on=False, only=None) -> None:
        """Sets what is answered falsely from now on."""
        self.answer, self.times, self.passes_on, self.only = answer, times, passes_on, only
        self.calls: Counter[str] = Counter()

    def __call__(self, environ, start_response):
        request = Request(environ)
        call = kind_of(request.method, request.path)
        self.calls[call] += 1
        asked = self.only is None or call in self.only
        if self.answer is None or not asked or self.calls[call] > self.times or request.path == LOGIN:
            app = Response("<form>password</form>") if request.path == LOGIN else self._mlflow
            return app(environ, start_response)
        if self.passes_on:
            b"".join(self._mlflow(environ, lambda *_: None))
        else:
            request.get_data()
        status, kind, content = ANSWERS[self.answer]
        headers = {"Location": LOGIN} if status == 302 else {}
        return Response(content, status, headers, content_type=kind)(environ, start_response)


def kind_of(method: str, path: str) -> str:
    """Method and endpoint of a request, without ids and names of files."""
    path = re.sub(r"/(m-)?[0-9a-f]{32}\b|/\d+/", "/ID/", path).replace("//", "/")
    path = re.sub("(mlflow-artifacts/artifacts)/.*", r"\1/FILE", path)
    return f"{method} {path}"


@contextmanager
def hostile_mlflow(folder: Path, patch) -> Iterator[tuple[str, Proxy]]:
    """The address of a server with its store in `folder`, where `mlflow.db` is; its proxy; `patch` is a monkeypatch."""
    patch.setenv("_MLFLOW_SERVER_FILE_STORE", f"sqlite:///{folder / 'mlflow.db'}")
    patch.setenv("_MLFLOW_SERVER_ARTIFACT_ROOT", "mlflow-artifacts:/")
    patch.setenv("_MLFLOW_SERVER_ARTIFACT_DESTINATION", str(folder / "artifacts"))
    patch.setenv("_MLFLOW_SERVER_SERVE_ARTIFACTS", "true")
    from mlflow.server import handlers

    patch.setattr(handlers, "_tracking_store", None)
    patch.setattr(handlers, "_artifact_repo", None)
    proxy = Proxy()
    server = make_server("127.0.0.1", 0, proxy, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.port}", proxy
    finally:
        server.shutdown()
        server.server_close()
