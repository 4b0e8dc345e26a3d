import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apparel import hashes
from apparel.errors import UserError

NAMES = st.text("abcé. -", min_size=1, max_size=4).filter(lambda name: name.strip(". "))


@given(st.dictionaries(NAMES, st.binary(max_size=9), min_size=1, max_size=5))
def test_a_folder_has_the_hash_that_dvc_gives_it(contents):
    from dvc_data.hashfile.hash_info import HashInfo
    from dvc_data.hashfile.meta import Meta
    from dvc_data.hashfile.tree import Tree

    tree = Tree()
    for name, content in contents.items():
        tree.add((name,), Meta(), HashInfo("md5", hashes.data(content)))
    tree.digest()
    assert hashes.folder({name: hashes.data(content) for name, content in contents.items()}) == tree.hash_info.value


def test_files_in_folders_are_named_by_their_path(tmp_path):
    (tmp_path / "b" / "a").mkdir(parents=True)
    (tmp_path / "b" / "a" / "one").write_bytes(b"")
    (tmp_path / "two").write_bytes(b"2")
    assert hashes.within(tmp_path) == {"b/a/one": hashes.data(b""), "two": hashes.data(b"2")}
    listed = [{"md5": hashes.data(b""), "relpath": "b/a/one"}, {"md5": hashes.data(b"2"), "relpath": "two"}]
    assert hashes.content(tmp_path) == hashes.data(json.dumps(listed).encode()) + ".dir"


def test_what_is_not_there_is_refused(tmp_path):
    with pytest.raises(UserError, match="gone"):
        hashes.content(tmp_path / "gone")
