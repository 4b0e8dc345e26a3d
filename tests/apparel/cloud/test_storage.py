"""Files in a folder of a bucket, and addresses."""

import pytest

from apparel.cloud import storage
from apparel.errors import UserError


@pytest.fixture(params=["file", "memory"])
def folder(request, tmp_path):
    return storage.Folder(
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
        storage.checked(address)


def test_addresses_with_passwords_are_refused_without_showing_them():
    for address in ("gs://me:word@bucket/x", "s3://bucket/x?token=word"):
        with pytest.raises(UserError, match="address with a password") as error:
            storage.checked(address)
        assert "word@" not in str(error.value)
    assert storage.checked("gs://bucket/x/") == "gs://bucket/x"


def test_a_kind_of_store_that_is_not_there_is_one_line():
    with pytest.raises(UserError, match="nosuch://bucket cannot be opened: Protocol not known"):
        storage.Folder("nosuch://bucket").names()
