import pytest

from apparel.errors import UserError
from apparel.utils import limits


def test_a_source_may_unpack_to_so_many_files_and_bytes():
    left = limits.UnpackLimits(packed_bytes=1_000_000)
    left.use(limits.MAX_FILES, 200_000_000)
    with pytest.raises(UserError, match="more than 500,000 files"):
        left.use(1, 0)
    with pytest.raises(UserError, match="200 times its size"):
        limits.UnpackLimits(packed_bytes=1_000_000).use(1, 200_000_001)
    limits.UnpackLimits(packed_bytes=0).use(1, 10_000_000)


def test_names_may_be_so_deep_and_so_long():
    limits.check_name("a/" * 100 + "x")
    limits.check_name("é" * 500)
    with pytest.raises(UserError, match="more than 100 folders"):
        limits.check_name("a/" * 101 + "x")
    with pytest.raises(UserError, match="more than 1,000 bytes"):
        limits.check_name("é" * 500 + "x")


def test_a_file_larger_than_its_kind_is_named_and_not_read(tmp_path):
    path = tmp_path / "list.csv"
    path.write_bytes(b"1234")
    assert limits.read_bytes(path, 4) == b"1234"
    with path.open("wb") as file:
        file.truncate(10**12)  # sparse
    with pytest.raises(UserError, match=r"list\.csv is larger than 4 bytes"):
        limits.read_bytes(path, 4)
    with pytest.raises(FileNotFoundError):
        limits.read_bytes(tmp_path / "none", 4)
