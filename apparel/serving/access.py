"""Who may ask the server: a token, the Host header, pages of other sites; and the headers of every answer.

A middleware of its own, since Starlette's list of hosts has no address literals, and its answers are not JSON.
"""

import hmac
import ipaddress
import logging
import socket
import time
from collections.abc import Callable, Collection
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from apparel.serving.limits import RefusedRequest

log = logging.getLogger("apparel.serving")

COOKIE = "apparel_token"

WITHOUT_TOKEN = ("/healthz", "/readyz")
"""Paths that tell nothing but whether the server works, for those who restart it."""

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Headers of every answer that does not set them itself."""


def is_local(host: str) -> bool:
    """Whether a server that listens at this host is reached from this machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def error_response(refused: RefusedRequest) -> Response:
    """The answer to a request that is not carried out."""
    headers = {} if refused.retry_after is None else {"Retry-After": str(refused.retry_after)}
    if refused.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse({"error": refused.reason}, refused.status, headers)


class Access:
    """ASGI middleware around the whole server: refuses, adds headers, counts, and answers for what fails."""

    def __init__(
        self,
        app: ASGIApp,
        token: str | None,
        hosts: Collection[str],
        count: Callable[[str, int, float], None],
    ):
        """Wraps an application.

        Args:
            app: that answers what is let through.
            token: that every request needs but those for WITHOUT_TOKEN; None: none does.
            hosts: names in a Host header that are the server's, besides addresses, localhost and this machine's name.
                Any other name may be one that a stranger's page let point here (DNS rebinding).
            count: called with path, status and seconds of each request.
        """
        self._app, self._token, self._count = app, token, count
        self._hosts = {"localhost", socket.gethostname().lower(), *(host.lower() for host in hosts)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request, or lets the application answer it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start, status = time.perf_counter(), 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                present = {name.lower() for name, _ in message["headers"]}
                added = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
                message["headers"] = [*message["headers"], *(pair for pair in added if pair[0] not in present)]
            await send(message)

        try:
            await self._answer(scope, receive, send_with_headers)
        except Exception:
            log.exception("a request failed")  # the application has answered 500
        finally:
            self._count(scope["path"], status, time.perf_counter() - start)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        try:
            self._check_site(request)
            app = self._check_token(request) or self._app
        except RefusedRequest as refused:
            app = error_response(refused)
        await app(scope, receive, send)

    def _check_site(self, request: Request) -> None:
        """Raises a `RefusedRequest` for a Host that is not the server's, and for a request that another site's page
        makes, which browsers mark."""
        host = _host_name(f"//{request.headers.get('host', '')}")
        if host is None or (host not in self._hosts and not _is_address(host)):
            raise RefusedRequest(400, "the Host header is not this server's; `apparel serve --allow-host` adds a name")
        origin = request.headers.get("origin")
        if origin is not None and _site(origin) != request.headers["host"].lower():
            raise RefusedRequest(403, "pages of other sites may not use this server")

    def _check_token(self, request: Request) -> Response | None:
        """None if the request has the token, or needs none; where it is in the address of the page, a redirection that
        keeps it as a cookie.

        Raises:
            RefusedRequest: 401, it is missing or wrong.
        """
        if self._token is None or request.url.path in WITHOUT_TOKEN:
            return None
        if request.url.path == "/" and self._is_token(request.query_params.get("token", "")):
            response = RedirectResponse("/", 303)
            response.set_cookie(COOKIE, self._token, httponly=True, samesite="lax")
            return response
        kind, _, value = request.headers.get("authorization", "").partition(" ")
        if (kind.lower() == "bearer" and self._is_token(value.strip())) or self._is_token(_cookie(request)):
            return None
        raise RefusedRequest(
            401, "a token is needed: the header 'Authorization: Bearer TOKEN', or once /?token=TOKEN in a browser"
        )

    def _is_token(self, text: str) -> bool:
        return hmac.compare_digest(text.encode("utf-8", "replace"), self._token.encode())


def _cookie(request: Request) -> str:
    try:
        morsel = SimpleCookie(request.headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return morsel.value if morsel else ""


def _host_name(address: str) -> str | None:
    try:
        return urlsplit(address).hostname
    except ValueError:
        return None


def _site(origin: str) -> str:
    """Host and port of an Origin header, empty for one of no site, such as `null`."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
