"""Photos in object stores: a page of names at a time, files within limits, and errors that are no end."""

import fsspec
import pytest

from apparel import images
from apparel.analysis.predictions import object_stores
from apparel.errors import UserError

NAMES = ["shop/.hidden.png", "shop/a.png", "shop/b/c.jpg", "shop/z/", "shopping/d.png"]


class Store:
    """Stands in for s3fs or gcsfs: lists two names a page."""

    def __init__(self, protocol):
        self.protocol = (protocol,)
        self.asked = 0

    def call_s3(self, method, Bucket, Prefix, ContinuationToken="0"):
        assert method == "list_objects_v2"
        names, following = self._page(Prefix, int(ContinuationToken))
        page = {"Contents": [{"Key": name, "Size": 3} for name in names]} if names else {}
        return page | ({"NextContinuationToken": following} if following else {})

    def call(self, method, path, bucket, prefix, json_out, pageToken="0"):
        assert (method, path, json_out) == ("GET", "b/{}/o", True)
        names, following = self._page(prefix, int(pageToken))
        page = {"items": [{"name": name, "size": "3"} for name in names]} if names else {}
        return page | ({"nextPageToken": following} if following else {})

    def _page(self, prefix, start):
        self.asked += 1
        names = [name for name in NAMES if name.startswith(prefix)]
        return names[start : start + 2], str(start + 2) if len(names) > start + 2 else None

    def cat_file(self, name, start, end):
        assert end == images.MAX_BYTES + 1
        raise PermissionError("https://user:secret@host refuses")


@pytest.fixture(params=["s3", "gs"])
def scheme(request, monkeypatch):
    store = Store(request.param)
    monkeypatch.setattr(fsspec, "filesystem", lambda protocol: store)
    return request.param


@pytest.mark.parametrize(
    "path, expected",
    [
        ("shop", ["shop/a.png", "shop/b/c.jpg"]),
        ("shop/", ["shop/a.png", "shop/b/c.jpg"]),
        ("shop/a.png", ["shop/a.png"]),
        ("shop/*.png", ["shop/a.png"]),
        ("*/?.png", ["shop/a.png", "shopping/d.png"]),
        ("", ["shop/a.png", "shop/b/c.jpg", "shopping/d.png"]),
    ],
)
def test_files_of_an_address_come_page_by_page(scheme, path, expected):
    stored = list(object_stores.walk(f"{scheme}://bucket/{path}"))
    assert [file.name for file in stored] == [f"{scheme}://bucket/{name}" for name in expected]


def test_an_address_without_files_gives_an_error(scheme):
    (error,) = object_stores.walk(f"{scheme}://bucket/nothing")
    assert "nothing is stored" in str(error)


def test_a_refusal_and_a_large_file_are_errors_without_passwords(scheme):
    file = next(object_stores.walk(f"{scheme}://bucket/shop"))
    with pytest.raises(UserError, match="refuses") as error:
        file.read()
    assert "secret" not in str(error.value)
    with pytest.raises(UserError, match="more than the"):
        object_stores.StoredFile("s3://b/a.jpg", images.MAX_BYTES + 1, None).read()
