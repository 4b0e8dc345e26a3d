"""Hashes of files and folders are those of DVC."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apparel.errors import UserError
from apparel.versioning import dvc_hash

NAMES = st.text("abcé. -", min_size=1, max_size=4).filter(lambda name: name.strip(". "))


@given(st.dictionaries(NAMES, st.binary(max_size=9), min_size=1, max_size=5))
def test_a_folder_has_the_hash_that_dvc_gives_it(contents):
    from dvc_data.hashfile.hash_info import HashInfo
    from dvc_data.hashfile.meta import Meta
    from dvc_data.hashfile.tree import Tree

    tree = Tree()
    for name, content in contents.items():
        tree.add((name,), Meta(), HashInfo("md5", dvc_hash.bytes_md5(content)))
    tree.digest()
    assert (
        dvc_hash.folder_hash({name: dvc_hash.bytes_md5(content) for name, content in contents.items()})
        == tree.hash_info.value
    )


def test_files_in_folders_are_named_by_their_path(tmp_path):
    (tmp_path / "b" / "a").mkdir(parents=True)
    (tmp_path / "b" / "a" / "one").write_bytes(b"")
    (tmp_path / "two").write_bytes(b"2")
    assert dvc_hash.file_md5s(tmp_path) == {"b/a/one": dvc_hash.bytes_md5(b""), "two": dvc_hash.bytes_md5(b"2")}
    listed = [
        {"md5": dvc_hash.bytes_md5(b""), "relpath": "b/a/one"},
        {"md5": dvc_hash.bytes_md5(b"2"), "relpath": "two"},
    ]
    assert dvc_hash.path_hash(tmp_path) == dvc_hash.bytes_md5(json.dumps(listed).encode()) + ".dir"


def test_a_missing_path_is_refused(tmp_path):
    with pytest.raises(UserError, match="gone"):
        dvc_hash.path_hash(tmp_path / "gone")
