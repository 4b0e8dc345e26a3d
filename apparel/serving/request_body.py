"""Bodies of HTTP requests: received within limits of size, time and memory, and parsed into photos.

A photo that cannot be had from a well-formed request is a problem of that photo; the others are detected on.
"""

import asyncio
import base64
import binascii
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from apparel.errors import plain
from apparel.serving.limits import Limits, RefusedRequest

FIELD = "photos"
"""Name of the multipart field, and of the list in JSON."""

EXPECTED = (
    f"send photos as files in the multipart field '{FIELD}', or as JSON: "
    f'{{"{FIELD}": [{{"name": "a.jpg", "image": "<base64>"}}]}}'
)

MAX_FIELDS = 100
"""Parts of a multipart body that are no photos; forms send a few."""

MAX_NAME = 200
"""Characters of a photo's name; the rest is cut off."""


@dataclass(frozen=True)
class UploadedPhoto:
    """A photo of a request.

    Attributes:
        name: as the client calls it, printable; `photo 1` and so on where it has none.
        data: the file's bytes; empty where there is a problem.
        problem: why there are none, or None.
    """

    name: str
    data: bytes
    problem: str | None = None


class BodyReader:
    """Receives bodies and counts the bytes of those that are under way."""

    def __init__(self, limits: Limits):
        self.limits = limits
        self.held_bytes = 0

    @contextmanager
    def hold(self) -> Iterator["Holding"]:
        """A share in the memory for bodies, given back at the end of the block."""
        holding = Holding(self)
        try:
            yield holding
        finally:
            self.held_bytes -= holding.size

    async def read(self, request: Request, holding: "Holding") -> bytes:
        """The body of a request; refused as soon as it is too large, not when all of it has come.

        Raises:
            RefusedRequest: 400 the client went away, 408 it is too slow, 413 it is too large, 503 too many are sent at
                once.
        """
        declared = request.headers.get("content-length", "")
        if declared.isdecimal() and int(declared[:20]) > self.limits.body_bytes:
            raise self._too_large()
        body = bytearray()
        try:
            async with asyncio.timeout(self.limits.receive_seconds):
                async for chunk in request.stream():
                    if len(body) + len(chunk) > self.limits.body_bytes:
                        raise self._too_large()
                    holding.add(len(chunk))
                    body += chunk
        except TimeoutError:
            raise RefusedRequest(408, f"the request took more than {self.limits.receive_seconds:g} seconds") from None
        except ClientDisconnect:
            raise RefusedRequest(400, "the connection was closed before the end of the request") from None
        return bytes(body)

    def _too_large(self) -> RefusedRequest:
        return RefusedRequest(413, f"a request may have {self.limits.body_bytes / 2**20:,.0f} MiB; send fewer photos")


class Holding:
    """Bytes that the body of one request takes."""

    def __init__(self, reader: BodyReader):
        self._reader = reader
        self.size = 0

    def add(self, size: int) -> None:
        """Takes more.

        Raises:
            RefusedRequest: 503, all requests under way have too many.
        """
        if self._reader.held_bytes + size > self._reader.limits.total_bytes:
            raise RefusedRequest(503, "too many photos are being sent; try again", retry_after=1)
        self._reader.held_bytes += size
        self.size += size


def parse(body: bytes, content_type: str, limits: Limits) -> list[UploadedPhoto]:
    """The photos of a request, in its order; takes time with large bodies, so call it in a thread.

    Args:
        body: as received.
        content_type: the header.
        limits: how many photos there may be.

    Raises:
        RefusedRequest: 400 it is malformed or has no photo, 413 it has too many, 415 it is neither multipart nor JSON.
    """
    kind, options = parse_options_header(content_type)
    if kind == b"multipart/form-data":
        photos = _parse_multipart(body, options.get(b"boundary", b""), limits.photos)
    elif kind == b"application/json":
        photos = _parse_json(body, limits.photos)
    else:
        raise RefusedRequest(415, EXPECTED)
    if not photos:
        raise RefusedRequest(400, f"there is no photo in the request; {EXPECTED}")
    return photos


def _too_many(limit: int) -> RefusedRequest:
    return RefusedRequest(413, f"a request may have {limit} photos; send them in several requests")


def _parse_multipart(body: bytes, boundary: bytes, max_photos: int) -> list[UploadedPhoto]:
    parts = _Parts(max_photos)
    try:
        parser = MultipartParser(boundary, parts.callbacks())
        parser.write(body)
        parser.finalize()
    except FormParserError as error:
        raise RefusedRequest(400, f"the multipart body is malformed: {plain(str(error))}") from None
    if not parts.ended:
        raise RefusedRequest(400, "the multipart body ends before its last boundary")
    return parts.photos


class _Parts:
    """Collects the parts of a multipart body. python_multipart's own collector writes large files to the disk."""

    def __init__(self, max_photos: int):
        self.photos: list[UploadedPhoto] = []
        self.ended = False
        self._max_photos = max_photos
        self._others = 0

    def callbacks(self) -> dict[str, Any]:
        names = ("part_begin", "header_field", "header_value", "header_end", "part_data", "part_end", "end")
        return {f"on_{name}": getattr(self, f"_{name}") for name in names}

    def _part_begin(self) -> None:
        self._headers: dict[bytes, bytes] = {}
        self._field, self._value = bytearray(), bytearray()
        self._data = bytearray()

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        self._headers[bytes(self._field).lower()] = bytes(self._value)
        self._field, self._value = bytearray(), bytearray()

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        self._data += memoryview(data)[start:end]

    def _part_end(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        data, self._data = bytes(self._data), bytearray()
        if options.get(b"name") != FIELD.encode():
            self._others += 1
            if self._others > MAX_FIELDS:
                raise RefusedRequest(413, f"a request may have {MAX_FIELDS} fields besides its photos")
            return
        if len(self.photos) == self._max_photos:
            raise _too_many(self._max_photos)
        name = _name(options.get(b"filename", b"").decode("utf-8", "replace"), len(self.photos))
        self.photos.append(UploadedPhoto(name, data, None if data else "the file is empty"))

    def _end(self) -> None:
        self.ended = True


def _parse_json(body: bytes, max_photos: int) -> list[UploadedPhoto]:
    try:
        request = json.loads(body)
    except (ValueError, RecursionError):
        raise RefusedRequest(400, f"the body is no JSON; {EXPECTED}") from None
    entries = request.get(FIELD) if isinstance(request, dict) else None
    if not isinstance(entries, list):
        raise RefusedRequest(400, f"the JSON has no list '{FIELD}'; {EXPECTED}")
    if len(entries) > max_photos:
        raise _too_many(max_photos)
    return [_json_photo(entry, number) for number, entry in enumerate(entries)]


def _json_photo(entry: Any, number: int) -> UploadedPhoto:
    if not isinstance(entry, dict):
        return UploadedPhoto(_name("", number), b"", 'expected {"name": …, "image": "<base64>"}')
    name, text = entry.get("name"), entry.get("image")
    name = _name(name if isinstance(name, str) else "", number)
    if not isinstance(text, str):
        return UploadedPhoto(name, b"", "there is no 'image' with the photo as base64")
    text = re.sub(r"\s+", "", re.sub(r"^data:[\w/+.-]*;base64,", "", text))  # as pages and `base64` write it
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return UploadedPhoto(name, b"", "the image is not base64")
    return UploadedPhoto(name, data, None if data else "the image is empty")


def _name(name: str, number: int) -> str:
    """A photo's name as it is shown: the file's own without folders, or one by its position from 0."""
    name = re.split(r"[\\/]", name)[-1].strip()
    return plain(name[:MAX_NAME]) or f"photo {number + 1}"
