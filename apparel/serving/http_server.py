"""uvicorn with limits of time and number for connections, which it has none of before a request is whole.

Its h11 protocol is used: unlike httptools, it limits the size of a header (64 KiB).
"""

import asyncio
import json
from functools import partial
from typing import Any

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from apparel.serving.limits import Limits

SECONDS_TO_CLOSE = 2
"""From a close to an abort, for a client that does not read what was sent; and what a slow body may take longer here
than for the application, so that the application answers 408 first."""


class LimitedProtocol(H11Protocol):
    """A connection that ends if a header, a body or the reading of an answer takes too long."""

    def __init__(self, *arguments: Any, limits: Limits, **options: Any):
        """Takes what uvicorn gives a protocol, and the limits."""
        super().__init__(*arguments, **options)
        self._limits = limits
        self._phase: Any = None
        self._deadline: asyncio.TimerHandle | None = None
        self._write_deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Takes a connection, or answers 503 if there are too many."""
        super().connection_made(transport)
        if len(self.connections) > self._limits.connections:
            self._answer(503, "too many connections; try again", [(b"retry-after", b"2")])
        else:
            self._set_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forgets the deadlines."""
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        for timer in (self._deadline, self._write_deadline):
            if timer is not None:
                timer.cancel()

    def data_received(self, data: bytes) -> None:
        """Takes bytes of a request."""
        if not self.transport.is_closing():
            super().data_received(data)
            self._set_deadline()

    def send_400_response(self, msg: str) -> None:
        """Answers bytes that are no HTTP; uvicorn's own answer is no JSON, and fails after a part of another."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self._answer(400, msg, [])

    def pause_writing(self) -> None:
        """Called when a client does not read: an answer waits."""
        super().pause_writing()
        self._write_deadline = self.loop.call_later(self._limits.receive_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """Called when it reads again."""
        super().resume_writing()
        if self._write_deadline is not None:
            self._write_deadline.cancel()

    def timeout_keep_alive_handler(self) -> None:
        """Called when no further request came."""
        super().timeout_keep_alive_handler()
        self._abort_later()

    def _set_deadline(self) -> None:
        """Starts the time of the part of a request that is awaited now, unless it runs already."""
        phase = (self.cycle, self.conn.their_state)
        if phase == self._phase:
            return
        self._phase = phase
        if self._deadline is not None:
            self._deadline.cancel()
        seconds = {
            h11.IDLE: self._limits.head_seconds,
            h11.SEND_BODY: self._limits.receive_seconds + SECONDS_TO_CLOSE,
        }.get(self.conn.their_state)
        self._deadline = seconds and self.loop.call_later(seconds, self.transport.abort)

    def _answer(self, status: int, reason: str, headers: list[tuple[bytes, bytes]]) -> None:
        """Answers without the application, if nothing was answered yet, and closes the connection."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            body = json.dumps({"error": reason}).encode()
            headers = [(b"content-type", b"application/json"), (b"connection", b"close"), *headers]
            headers.append((b"content-length", str(len(body)).encode()))
            for event in (h11.Response(status_code=status, headers=headers), h11.Data(body), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event))
        self.transport.close()
        self._abort_later()

    def _abort_later(self) -> None:
        self.loop.call_later(SECONDS_TO_CLOSE, self.transport.abort)


def build_server(app: ASGIApp, host: str, port: int, limits: Limits) -> uvicorn.Server:
    """A server that ends on SIGTERM or Ctrl-C once the requests under way are answered.

    Args:
        app: answers requests.
        host: address to listen at.
        port: 0: any free one.
        limits: of connections.
    """
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=partial(LimitedProtocol, limits=limits),  # type: ignore[arg-type] - any callable will do
        ws="none",
        lifespan="off",
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=limits.shutdown_seconds,
        h11_max_incomplete_event_size=2**16,
        backlog=limits.connections,
    )
    return uvicorn.Server(config)
