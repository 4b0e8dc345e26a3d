"""Limits of the HTTP server, and the answer to a request that is beyond one."""

from dataclasses import dataclass


class RefusedRequest(Exception):
    """A request that is not carried out.

    Attributes:
        status: HTTP status, 400 to 599.
        reason: what is wrong, for the one who sent it.
        retry_after: seconds after which it may succeed; None where that is not a matter of time.
    """

    def __init__(self, status: int, reason: str, retry_after: int | None = None):
        super().__init__(reason)
        self.status, self.reason, self.retry_after = status, reason, retry_after


@dataclass(frozen=True)
class Limits:
    """What the server takes.

    Attributes:
        body_bytes: of one request; 64 MiB hold a dozen photos of a phone.
        total_bytes: of all requests that are under way, since they lie in memory.
        photos: in one request.
        pixels: of one photo, looked at before it is decoded: a phone's largest common size. Decoding and resizing take
            16 bytes a pixel, in each thread.
        queue: photos that wait at once, of all requests; a full queue answers 503.
        connections: open at once.
        head_seconds: from a connection, or the first byte of a further request, to the end of the header.
        receive_seconds: from there to the end of the body; a phone's uplink sends 64 MiB in 30 s at 18 Mbit/s.
        answer_seconds: from the end of the body to the answer; what waits longer is given up with 503.
        shutdown_seconds: that requests under way have to finish after SIGTERM; Kubernetes kills after 30.
    """

    body_bytes: int = 64 * 2**20
    total_bytes: int = 512 * 2**20
    photos: int = 32
    pixels: int = 50_000_000
    queue: int = 256
    connections: int = 512
    head_seconds: float = 10
    receive_seconds: float = 30
    answer_seconds: float = 60
    shutdown_seconds: int = 25
