"""The HTTP API of a trained detector."""

from collections.abc import Collection
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from apparel.serving import answers, static_files
from apparel.serving.access import Access, error_response
from apparel.serving.detection import Detection
from apparel.serving.limits import Limits, RefusedRequest
from apparel.serving.metrics import Metrics
from apparel.serving.models import Models
from apparel.serving.request_body import BodyReader

DESCRIPTION = "Finds garments in photos. The page at / does it in a browser."


def build_app(
    models: Models, threads: int, limits: Limits | None = None, token: str | None = None, hosts: Collection[str] = ()
) -> ASGIApp:
    """The ASGI application of a server.

    Args:
        models: gives the model in use.
        threads: that decode photos.
        limits: of requests; None: the usual ones.
        token: that requests need; None: none.
        hosts: names in a Host header that are the server's, besides addresses, localhost and this machine's name.
    """
    limits = limits or Limits()
    detection, bodies = Detection(limits, threads), BodyReader(limits)
    metrics = Metrics(models, lambda: detection.waiting)
    app = FastAPI(title="Garments in photos", description=DESCRIPTION, docs_url=None, redoc_url=None)
    _add_errors(app)
    _add_detect(app, models, detection, bodies, metrics)
    _add_state(app, models, metrics)
    _add_files(app)
    paths = {route.path for route in app.routes}

    def count(path: str, status: int, seconds: float) -> None:
        path = path if path in paths else "other"  # or a stranger would make as many time series as he likes
        metrics.requests.labels(path, str(status)).inc()
        metrics.seconds.labels(path).observe(seconds)

    return Access(app, token, hosts, count)


def _add_errors(app: FastAPI) -> None:
    """Answers all errors as JSON with `error`, FastAPI's and Starlette's own, too."""

    @app.exception_handler(RefusedRequest)
    async def refuse(request: Request, refused: RefusedRequest) -> Response:
        return error_response(refused)

    @app.exception_handler(RequestValidationError)
    async def refuse_parameters(request: Request, error: RequestValidationError) -> Response:
        problems = (f"{problem['loc'][-1]}: {problem['msg']}" for problem in error.errors())
        return JSONResponse({"error": "; ".join(problems)[:1000]}, 422)

    @app.exception_handler(Exception)
    async def fail(request: Request, error: Exception) -> Response:
        return JSONResponse({"error": "the server failed; its log says why"}, 500)  # `Access` logs it

    @app.exception_handler(HTTPException)
    async def refuse_path(request: Request, error: HTTPException) -> Response:
        return JSONResponse({"error": str(error.detail)}, error.status_code, error.headers)


def _add_detect(app: FastAPI, models: Models, detection: Detection, bodies: BodyReader, metrics: Metrics) -> None:
    @app.post(
        "/detect",
        description="Detects garments on one photo or several: JPEG, PNG and other formats, by content.",
        responses={200: {"model": answers.Detections}, **answers.ERRORS},
        openapi_extra={"requestBody": answers.REQUEST_BODY},
    )
    async def detect(request: Request, query: Annotated[answers.Query, Query()]) -> Response:
        with models.use() as model, bodies.hold() as holding:
            body = await bodies.read(request, holding)
            content_type = request.headers.get("content-type", "")
            photos = await detection.answer(model, body, content_type, query.lowest_score)
            _count_photos(metrics, photos)
            _check_any_read(photos)
            return JSONResponse({"model": model.describe(), "photos": photos})


def _count_photos(metrics: Metrics, photos: list[dict[str, Any]]) -> None:
    for photo in photos:
        metrics.photos.labels("problem" if photo["problem"] else "detected").inc()
        for found in photo["detections"]:
            if found["shown"]:
                metrics.detections.labels(found["class"]).inc()


def _check_any_read(photos: list[dict[str, Any]]) -> None:
    """Raises a `RefusedRequest` if every photo has a problem."""
    if all(photo["problem"] for photo in photos):
        problems = "; ".join(f"{photo['name']}: {photo['problem']}" for photo in photos[:3])
        raise RefusedRequest(422, f"no photo of the request can be read: {problems}")


def _add_state(app: FastAPI, models: Models, metrics: Metrics) -> None:
    @app.get("/model", description="The model in use.", responses={200: {"model": answers.ModelDetails}})
    async def model() -> Response:
        with models.use() as used:
            metadata = used.metadata
            details = {"classes": list(metadata.classes), "thresholds": metadata.thresholds.by_class}
            sides = {"width": metadata.width, "height": metadata.height}
            return JSONResponse(used.describe() | details | sides)

    @app.get("/healthz", description="Whether the process answers.")
    async def healthz() -> Response:
        return JSONResponse({"status": "ok"})

    @app.get(
        "/readyz",
        description="Whether a model is loaded; `outdated` is true if a newer one cannot be loaded: the log says why.",
        responses={503: answers.ERRORS[503]},
    )
    async def readyz() -> Response:
        with models.use():
            return JSONResponse({"status": "ready", "outdated": models.problem is not None})

    @app.get("/metrics", description="Counts for Prometheus.", response_class=PlainTextResponse)
    async def counts() -> Response:
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _add_files(app: FastAPI) -> None:
    for path, (content, media_type) in static_files.read_files().items():
        response = Response(content, media_type=media_type)
        app.add_route(path, lambda request, response=response: response, include_in_schema=False)

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return HTMLResponse(static_files.api_page(app.openapi()))
