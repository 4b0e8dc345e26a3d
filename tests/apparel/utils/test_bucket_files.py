"""Files in buckets: a page of names at a time, within limits, names that lead nowhere else, errors that are no end."""

import fsspec
import pytest

from apparel.errors import UserError
from apparel.utils import bucket_files, buckets
from tests.support import memory_bucket

NAMES = ["odd[1].png", "shop/.hidden.png", "shop/a.png", "shop/b/c.jpg", "shop/z/", "shopping/d.png"]


class Store:
    """Stands in for s3fs or gcsfs: lists two names a page."""

    def __init__(self, protocol):
        self.protocol = (protocol,)

    def call_s3(self, method, Bucket, Prefix, ContinuationToken="0"):
        assert method == "list_objects_v2"
        names, following = self._page(Prefix, int(ContinuationToken))
        page = {"Contents": [{"Key": name, "Size": 3, "ETag": "e"} for name in names]} if names else {}
        return page | ({"NextContinuationToken": following} if following else {})

    def call(self, method, path, bucket, prefix, json_out, pageToken="0"):
        assert (method, path, json_out) == ("GET", "b/{}/o", True)
        names, following = self._page(prefix, int(pageToken))
        page = {"items": [{"name": name, "size": "3", "generation": "e"} for name in names]} if names else {}
        return page | ({"nextPageToken": following} if following else {})

    def _page(self, prefix, start):
        names = [name for name in NAMES if name.startswith(prefix)]
        return names[start : start + 2], str(start + 2) if len(names) > start + 2 else None

    def cat_file(self, name, start, end):
        raise PermissionError("https://user:secret@host refuses")


@pytest.fixture(params=["s3", "gs"])
def scheme(request, monkeypatch):
    store = Store(request.param)
    monkeypatch.setattr(buckets, "open_store", lambda address: (store, address.partition("://")[2]))
    return request.param


@pytest.fixture
def bucket(monkeypatch):
    return memory_bucket.make(monkeypatch)


@pytest.mark.parametrize(
    "path, expected",
    [
        ("shop", ["shop/a.png", "shop/b/c.jpg"]),
        ("shop/", ["shop/a.png", "shop/b/c.jpg"]),
        ("shop/a.png", ["shop/a.png"]),
        ("shop/*.png", ["shop/a.png"]),
        ("*/?.png", ["shop/a.png", "shopping/d.png"]),
        ("odd[1].png", ["odd[1].png"]),
        ("o??[[]1].png", ["odd[1].png"]),
        ("", ["odd[1].png", "shop/a.png", "shop/b/c.jpg", "shopping/d.png"]),
    ],
)
def test_files_of_an_address_come_page_by_page(scheme, path, expected):
    stored = list(bucket_files.walk(f"{scheme}://bucket/{path}"))
    assert [(file.name, file.version) for file in stored] == [(f"{scheme}://bucket/{name}", "e") for name in expected]


def test_an_address_without_files_gives_an_error(scheme):
    (error,) = bucket_files.walk(f"{scheme}://bucket/nothing")
    assert "nothing is stored" in str(error)
    with pytest.raises(UserError, match=f"^{scheme}://bucket/nothing: nothing is stored"):
        bucket_files.listed(f"{scheme}://bucket/nothing")


def test_a_refusal_and_a_large_file_are_errors_without_passwords(scheme):
    file = next(bucket_files.walk(f"{scheme}://bucket/shop"))
    with pytest.raises(UserError, match="refuses") as error:
        file.read(10)
    assert "secret" not in str(error.value)
    with pytest.raises(UserError, match="has 3 bytes, more than the 2"):
        file.read(2)


def test_files_are_listed_and_fetched_by_their_names_below_the_address(bucket, tmp_path):
    for name, content in {
        "shop/a.png": b"a",
        "shop/b/c.png": b"",
        "shop/[1].png": b"1",
        "shopping/d.png": b"d",
    }.items():
        memory_bucket.write(f"{bucket}/{name}", content)
    stored = bucket_files.listed(f"{bucket}/shop/")
    assert list(stored) == ["[1].png", "a.png", "b/c.png"]
    bucket_files.fetch_all([(file, tmp_path / name) for name, file in stored.items()], 1)
    assert [(tmp_path / name).read_bytes() for name in stored] == [b"1", b"a", b""]
    assert list(bucket_files.listed(f"{bucket}/shop/[1].png")) == ["[1].png"]
    with pytest.raises(UserError, match="holds more than 2 files"):
        bucket_files.listed(f"{bucket}/shop", 2)


@pytest.mark.parametrize("name", ["b//a.png", "b\\a.png", "a\n.png", "x" * 256, "/".join("a" * 102)])
def test_a_name_that_is_no_path_below_a_folder_is_refused(monkeypatch, name):
    monkeypatch.setattr(buckets, "open_store", lambda address: (None, ""))
    monkeypatch.setattr(bucket_files, "_pages", lambda store, bucket, prefix: [(f"shop/{name}", 1, "")])
    with pytest.raises(UserError, match=r"is no name of a file|longer than systems allow|below more than"):
        bucket_files.listed("gs://bucket/shop")


def test_a_store_that_is_away_is_named_once(monkeypatch):
    def fail(address):
        raise RuntimeError("no answer")

    monkeypatch.setattr(buckets, "open_store", fail)
    with pytest.raises(UserError, match=r"^gs://b/x: does not answer as it should: no answer$"):
        bucket_files.listed("gs://b/x")


def test_names_that_lead_upwards_are_left_out_as_hidden_ones_are(bucket):
    memory_bucket.write(f"{bucket}/shop/b.png", b"b")
    store = fsspec.filesystem("memory")
    store.store[f"/{bucket.partition('://')[2]}/shop/x/../../a.png"] = store.store.copy().popitem()[1]
    assert list(bucket_files.listed(f"{bucket}/shop")) == ["b.png"]


def test_a_file_that_is_larger_than_listed_or_allowed_is_an_error(bucket, tmp_path):
    memory_bucket.write(f"{bucket}/a", b"abc")
    (file,) = bucket_files.listed(bucket).values()
    with pytest.raises(UserError, match=f"^{bucket}/a has 3 bytes, more than the 2"):
        file.fetch(tmp_path / "a", 2)
    memory_bucket.write(f"{bucket}/a", b"abcd")
    with pytest.raises(UserError, match="changed while it was fetched"):
        file.fetch(tmp_path / "a", 9)


def test_another_content_has_another_version(bucket):
    memory_bucket.write(f"{bucket}/m/a", b"abc")
    before = bucket_files.version_of(bucket, bucket_files.listed(bucket))
    assert bucket_files.version_of(bucket, bucket_files.listed(bucket)) == before
    memory_bucket.write(f"{bucket}/m/a", b"abd")
    assert bucket_files.version_of(bucket, bucket_files.listed(bucket)) != before


def test_a_copy_is_at_hand_for_a_while(bucket, tmp_path):
    memory_bucket.write(f"{bucket}/model/pipeline.config", b"x")
    with bucket_files.at_hand(f"{bucket}/model") as folder:
        assert folder.endswith("/model")
        assert fsspec.filesystem("file").cat(f"{folder}/pipeline.config") == b"x"
    with bucket_files.at_hand(f"{bucket}/model/pipeline.config") as file:
        assert file.endswith("/pipeline.config")
        assert fsspec.filesystem("file").cat(file) == b"x"
    with bucket_files.at_hand("here/model") as here:
        assert here == "here/model"
