"""Files of the page at / and of the description of the API, by the path at which the server has them.

Only what lies beside this module at the start is served: a path of a request is looked up, never opened.
"""

from pathlib import Path
from typing import Any

from apparel.evaluation import html

FOLDER = Path(__file__).parent

MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}
"""Media types of the files that are served, by suffix."""

PAGE = "page.html"

API_PAGE = "api_page.html"


def read_files() -> dict[str, tuple[bytes, str]]:
    """Content and media type by path; `/` is the page."""
    served = {}
    for file in sorted(FOLDER.iterdir()):
        if file.suffix in MEDIA_TYPES and file.name != API_PAGE:
            path = "/" if file.name == PAGE else f"/{file.name}"
            served[path] = (file.read_bytes(), MEDIA_TYPES[file.suffix])
    return served


def api_page(schema: dict[str, Any]) -> str:
    """A page that describes an API; FastAPI's own takes its scripts from another server, which a closed network lacks.

    Args:
        schema: OpenAPI 3.1, as FastAPI makes it.
    """
    operations = [
        {"method": method.upper(), "path": path, "parameters": [], "requestBody": None, **operation}
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
    ]
    return html.render(
        FOLDER / API_PAGE, info=schema["info"], operations=operations, schemas=schema["components"]["schemas"]
    )
