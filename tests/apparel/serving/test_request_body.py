import asyncio
import base64
import json

import pytest

from apparel.serving.limits import Limits, RefusedRequest
from apparel.serving.request_body import BodyReader, parse
from tests.support.running_server import FORM, form

LIMITS = Limits(photos=3)


def parsed(body: bytes, content_type: str = FORM):
    return [(photo.name, photo.data, photo.problem) for photo in parse(body, content_type, LIMITS)]


def refused(body: bytes, content_type: str = FORM) -> int:
    with pytest.raises(RefusedRequest) as error:
        parse(body, content_type, LIMITS)
    return error.value.status


def json_body(*entries) -> bytes:
    return json.dumps({"photos": entries}).encode()


def test_files_of_a_form_keep_their_bytes():
    every_byte = bytes(range(256)) * 5 + b"\r\n--limit-of-part\r\n"
    assert parsed(form([("a.jpg", every_byte), ("b.jpg", b"x")])) == [
        ("a.jpg", every_byte, None),
        ("b.jpg", b"x", None),
    ]


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\photos\\a.jpg", "a.jpg"),
        ("", "photo 1"),
        ("folder/", "photo 1"),
        ("ä 衣.jpg", "ä 衣.jpg"),
        ("a\x00b.jpg", "a?b.jpg"),
        ("a" * 500, "a" * 200),
    ],
)
def test_names(sent, name):
    assert parsed(json_body({"name": sent, "image": "eA=="}), "application/json") == [(name, b"x", None)]


def test_a_name_in_a_form():
    assert parsed(form([("../ä.jpg", b"x")]))[0][0] == "ä.jpg"


def test_other_fields_of_a_form_are_left_out():
    body = form([("a.jpg", b"x")]).replace(b'name="photos"', b'name="other"')
    assert refused(body) == 400
    assert parsed(body.replace(b"--limit-of-parts--\r\n", b"") + form([("b.jpg", b"y")])) == [("b.jpg", b"y", None)]


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (form([]), FORM, 400),
        (form([("a", b"x")])[:-10], FORM, 400),
        (form([("a", b"x")]), "multipart/form-data", 400),
        (form([("a", b"x")]), "multipart/form-data; boundary=" + "b" * 1000, 400),
        (form([("a", b"x")]), FORM.replace("limit", "other"), 400),
        (form([("a", b"x")] * 4), FORM, 413),
        (b"x", "multipart/mixed; boundary=x", 415),
        (b"x", "", 415),
        (b"\xff", "application/json", 400),
        (b"", "application/json", 400),
        (b"[" * 200_000, "application/json", 400),
        (b"{}", "application/json", 400),
        (b'{"photos": {}}', "application/json", 400),
        (b"1" * 10_000, "application/json", 400),
        (json_body(), "application/json; charset=utf-8", 400),
        (json_body(*[{"image": "eA=="}] * 4), "application/json", 413),
    ],
)
def test_malformed_requests(body, content_type, status):
    assert refused(body, content_type) == status


@pytest.mark.parametrize(
    "entry", [None, 1, "eA==", [], {}, {"image": 1}, {"image": "!"}, {"image": "eA"}, {"image": "ä"}]
)
def test_a_wrong_photo_leaves_the_others(entry):
    photos = parsed(json_body(entry, {"name": "b", "image": base64.b64encode(b"y").decode()}), "application/json")
    assert photos[0][:2] == ("photo 1", b"")
    assert photos[0][2]
    assert photos[1] == ("b", b"y", None)


class Sent:
    """A request whose body comes in pieces."""

    headers: dict = {}  # noqa: RUF012 - read only

    def __init__(self, *pieces: bytes, wait: float = 0):
        self._pieces, self._wait = pieces, wait
        self.taken = 0

    async def stream(self):
        for piece in self._pieces:
            await asyncio.sleep(self._wait)
            self.taken += 1
            yield piece


def read(reader: BodyReader, request: Sent) -> bytes:
    with reader.hold() as holding:
        return asyncio.run(reader.read(request, holding))


def test_a_body_in_pieces():
    reader = BodyReader(Limits(body_bytes=4))
    assert read(reader, Sent(b"ab", b"cd")) == b"abcd"
    assert reader.held_bytes == 0


def test_a_large_body_is_not_read_to_its_end():
    reader, request = BodyReader(Limits(body_bytes=3)), Sent(b"ab", b"cd", b"ef")
    with pytest.raises(RefusedRequest, match="MiB") as error:
        read(reader, request)
    assert (error.value.status, request.taken, reader.held_bytes) == (413, 2, 0)


def test_bodies_together_are_limited():
    reader = BodyReader(Limits(total_bytes=5))
    with reader.hold() as other:
        other.add(3)
        with pytest.raises(RefusedRequest) as error:
            read(reader, Sent(b"abc"))
    assert (error.value.status, error.value.retry_after) == (503, 1)
    assert read(reader, Sent(b"abc")) == b"abc"


def test_a_slow_body():
    with pytest.raises(RefusedRequest) as error:
        read(BodyReader(Limits(receive_seconds=0.1)), Sent(b"a", b"b", wait=0.2))
    assert error.value.status == 408
