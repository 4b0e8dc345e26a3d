"""Shards: what is whole is not done again, and what they depend on makes their names."""

import errno
import os
from pathlib import Path

import pytest

from apparel.errors import UserError
from apparel.utils import shard_files


def write(items, path):
    with Path("calls.txt").open("a", encoding="utf-8") as calls:
        calls.write("x")
    if isinstance(items, Exception):
        raise items
    path.write_text(items, encoding="utf-8")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "shards"
    folder.mkdir()
    return folder


def calls() -> int:
    return len(Path("calls.txt").read_text(encoding="utf-8"))


def test_a_whole_shard_is_not_done_again_and_a_damaged_one_is(folder):
    shard = shard_files.prepare(folder, write, "abc", None, 3)
    assert shard_files.finished(folder) == set()
    shard_files.perform(folder, shard.key)
    shard_files.perform(folder, shard.key)
    assert calls() == 1
    assert shard_files.finished(folder) == {shard.key}
    path, md5 = shard_files.result(folder, shard.key)
    assert (path.read_text(encoding="utf-8"), md5) == ("abc", "900150983cd24fb0d6963f7d28e17f72")
    path.write_text("abd", encoding="utf-8")
    shard_files.perform(folder, shard.key)
    assert (calls(), path.read_text(encoding="utf-8")) == (2, "abc")
    for number, damaged in enumerate(["", "{", "[]", "{}"]):
        (folder / f"{shard.key}.done").write_text(damaged, encoding="utf-8")
        shard_files.perform(folder, shard.key)
        assert calls() == 3 + number
    assert not list(folder.glob("*.partial"))


def test_a_half_written_piece_of_work_is_written_again(folder):
    shard = shard_files.prepare(folder, write, "abc", None, 3)
    work = folder / f"{shard.key}.work"
    whole = work.read_bytes()
    for damaged in (b"", whole[:-5], whole + b"x"):
        work.write_bytes(damaged)
        assert shard_files.prepare(folder, write, "abc", None, 3) == shard
        assert work.read_bytes() == whole


def test_a_shard_that_a_second_attempt_does_is_no_longer_refused(folder):
    Path("calls.txt").mkdir()  # so that the first attempt fails
    shard = shard_files.prepare(folder, write, "abc", None, 3)
    shard_files.perform(folder, shard.key)
    with pytest.raises(UserError, match=r"calls\.txt: Is a directory"):
        shard_files.result(folder, shard.key)
    Path("calls.txt").rmdir()
    shard_files.perform(folder, shard.key)
    assert shard_files.result(folder, shard.key)[0].read_bytes() == b"abc"


def test_other_items_states_and_work_are_other_shards(folder):
    keys = [
        shard_files.prepare(folder, *arguments, 1).key
        for arguments in ((write, "a", 1), (write, "b", 1), (write, "a", 2), (shard_files.perform, "a", 1))
    ]
    assert len(set(keys)) == 4
    assert shard_files.prepare(folder, write, "a", 1, 1).key == keys[0]


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (UserError("a.jpg is damaged"), "a.jpg is damaged"),
        (OSError(errno.ENOSPC, "No space left on device", "a"), "no space left on the disk for a; free some and run"),
        (PermissionError(errno.EACCES, "Permission denied", "a.jpg"), "a.jpg: Permission denied"),
    ],
)
def test_what_is_refused_is_told_and_tried_again_by_the_next_run(folder, error, sentence):
    shard = shard_files.prepare(folder, write, error, None, 1)
    shard_files.perform(folder, shard.key)
    assert shard_files.finished(folder) == {shard.key}
    with pytest.raises(UserError, match=sentence):
        shard_files.result(folder, shard.key)
    assert shard_files.prepare(folder, write, error, None, 1) == shard
    assert shard_files.finished(folder) == set()


def test_a_worker_that_sees_another_folder_is_told(folder):
    shard = shard_files.prepare(folder, write, "a", None, 1)
    with pytest.raises(UserError, match=r"left no result in .*shards: each of them needs the project's folder"):
        shard_files.result(folder, shard.key)


def test_a_file_that_changed_has_another_state_though_its_size_and_time_stay(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(b"abc")
    before, status = shard_files.file_state(path), path.stat()
    path.write_bytes(b"abd")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert shard_files.file_state(path) != before
    assert shard_files.file_state(tmp_path / "gone") is None
