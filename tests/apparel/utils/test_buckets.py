"""Files in a folder of a bucket, and addresses."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from apparel.errors import UserError
from apparel.utils import buckets


@pytest.fixture(params=["file", "memory"])
def folder(request, tmp_path):
    return buckets.Folder(
        f"memory://bucket/{tmp_path.name}" if request.param == "memory" else (tmp_path / "b").as_uri()
    )


def test_files_are_written_read_and_listed(folder, tmp_path):
    assert folder.names() == []
    folder.write("job.json", b"{}")
    folder.write("job.json", b"[1]")
    (tmp_path / "pack").write_bytes(b"pack")
    folder.upload("deep/er/pack", tmp_path / "pack")
    assert folder.names() == ["deep", "job.json"]
    assert folder.read("job.json", 10) == b"[1]"
    folder.download("deep/er/pack", tmp_path / "back", 10)
    assert (tmp_path / "back").read_bytes() == b"pack"
    folder.write("empty", b"")
    assert folder.read("empty", 10) == b""
    folder.remove()
    assert folder.names() == []


def test_of_several_that_create_a_file_one_does(folder):
    with ThreadPoolExecutor(8) as threads:
        created = list(threads.map(lambda number: folder.create("jobs/start.py", bytes([number])), range(8)))
    assert sorted(created) == [False] * 7 + [True]
    assert folder.read("jobs/start.py", 1) == bytes([created.index(True)])


def test_missing_and_large_files_are_errors_that_name_them(folder, tmp_path):
    folder.write("job.json", bytes(11))
    with pytest.raises(UserError, match=r"job\.json has 11 bytes, more than the limit of 10"):
        folder.read("job.json", 10)
    with pytest.raises(UserError, match=r"job\.json has 11 bytes"):
        folder.download("job.json", tmp_path / "x", 10)
    with pytest.raises(UserError, match=r"there is no .*end"):
        folder.read("end", 10)


@pytest.mark.parametrize(
    "address",
    ["", "bucket/x", "gs:/bucket", "gs://", "gs:///x", "gs://b/../c", "gs://b//c", "https://h/x", "gs://b c/d"],
)
def test_what_is_no_address_of_a_folder(address):
    with pytest.raises(UserError, match="is no address of a folder such as gs://bucket/apparel"):
        buckets.checked(address)


def test_addresses_with_passwords_are_refused_without_showing_them():
    for address in ("gs://me:word@bucket/x", "s3://bucket/x?token=word"):
        with pytest.raises(UserError, match="address with a password") as error:
            buckets.checked(address)
        assert "word@" not in str(error.value)
    assert buckets.checked("gs://bucket/x/") == "gs://bucket/x"


def test_a_kind_of_store_that_is_not_there_is_one_line():
    with pytest.raises(UserError, match="nosuch://bucket cannot be opened: Protocol not known"):
        buckets.Folder("nosuch://bucket").names()


def test_a_folder_is_replaced_without_leaving_files_behind(folder, tmp_path):
    folder.write("onnx/old", b"old")
    folder.write("onnx/deep/same", b"old")
    (tmp_path / "new" / "deep").mkdir(parents=True)
    (tmp_path / "new" / "deep" / "same").write_bytes(b"new")
    folder.replace("onnx", tmp_path / "new")
    assert folder.names() == ["onnx"]
    assert buckets.Folder(folder.file("onnx")).names() == ["deep"]
    assert folder.read("onnx/deep/same", 3) == b"new"


def test_files_are_removed_by_name_also_where_there_is_none(folder):
    folder.write("a", b"")
    folder.write("b", b"")
    folder.remove(["a", "c"])
    assert folder.names() == ["b"]


@pytest.mark.parametrize(
    ("error", "address", "said"),
    [
        (ImportError("Install s3fs to access S3"), "s3://b/x", "needs the package s3fs, which is not installed"),
        (FileNotFoundError("b/shop/o"), "gs://shop/x", "there is no bucket shop"),
        (FileNotFoundError("https://host/upload/storage/v1/b/shop/o"), "gs://shop/x", "there is no bucket shop"),
        (FileNotFoundError("The specified bucket does not exist"), "s3://shop/x", "there is no bucket shop"),
        (FileNotFoundError("shop/x/end"), "gs://shop/x", "gs://shop/x: there is no shop/x/end"),
        (OSError("Anonymous caller does not have access to the Google Cloud Storage bucket (or it may not exist), 401"),
         "gs://shop/x", "`gcloud auth application-default login` gives access"),
        (PermissionError("Forbidden"), "s3://shop/x", "AWS_ACCESS_KEY_ID"),
        (RuntimeError("Unable to locate credentials"), "s3://shop/x", "`aws configure`"),
        (RuntimeError("no answer\nfrom https://me:word@host"), "gs://shop/x", "should: no answer from https://host"),
    ],
)  # fmt: skip
def test_errors_name_the_address_and_the_remedy(error, address, said):
    with pytest.raises(UserError) as raised, buckets.errors_at(address):
        raise error
    assert said in str(raised.value)
    assert str(raised.value).startswith(address)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("text", ["gs://shop/x", "gcs://shop", "s3://shop/x.jpg"])
def test_addresses_in_buckets(text):
    assert buckets.is_address(text)
    assert not buckets.is_address(text.replace("://", ":/"))
    assert not buckets.is_address(text.replace("s", "x", 1))


def test_a_timeout_and_no_second_service_for_the_stores(monkeypatch):
    """Without requests: opening makes none."""
    monkeypatch.delenv("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", raising=False)
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    store, path = buckets.open_store("gs://shop/x/")
    assert path == "shop/x"
    timeout = store.session_kwargs["timeout"]
    assert (timeout.total, timeout.sock_connect) == (None, buckets.SECONDS_TO_CONNECT)
    store, path = buckets.open_store("s3://shop/x")
    assert store.config_kwargs["read_timeout"] == buckets.SECONDS_OF_SILENCE
