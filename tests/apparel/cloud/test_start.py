"""The first program on a machine: what it refuses. That it starts a job: tests/apparel/cloud/test_fetch.py."""

import json
import sys

import pytest

from apparel.cloud import start


def test_a_damaged_snapshot_and_another_version_end_with_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("APPAREL_WORK", str(tmp_path))
    folder = tmp_path / "job"
    folder.mkdir()
    (folder / "snapshot.pack").write_bytes(b"cut")
    job = {"version": 2, "name": "one", "sha256": "0" * 64, "commit": "1" * 40, "state": "1" * 40}
    (folder / "job.json").write_text(json.dumps(job))
    with pytest.raises(SystemExit, match="is a job of version 2, not 1"):
        start.main(folder.as_uri())
    (folder / "job.json").write_text(json.dumps(job | {"version": 1}))
    with pytest.raises(SystemExit, match=r"snapshot\.pack arrived damaged; submit the job again"):
        start.main(folder.as_uri())


def test_a_folder_that_cannot_be_read_ends_with_one_line(tmp_path):
    with pytest.raises(SystemExit, match=r"error: file://.* cannot be read: .*job\.json"):
        start.main(tmp_path.as_uri())


def test_what_is_missing_or_no_description_ends_with_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("APPAREL_WORK", str(tmp_path))
    for text, said in (("[]", "cannot be read"), ("{}", "'version'"), ('{"version": 1}', r"snapshot\.pack")):
        (tmp_path / "job.json").write_text(text)
        with pytest.raises(SystemExit, match=rf"^error: file://.*{said}"):
            start.main(tmp_path.as_uri())


def test_an_image_without_git_is_named(tmp_path, monkeypatch):
    (tmp_path / "job.json").write_text(json.dumps({"version": 1}))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit, match="the image has no git"):
        start.main(tmp_path.as_uri())


def test_what_is_no_pack_ends_with_one_line(tmp_path):
    (tmp_path / "pack").write_bytes(b"nothing")
    with pytest.raises(SystemExit, match="error: the snapshot cannot be unpacked: git index-pack"):
        start.unpack(tmp_path / "pack", tmp_path / "project", "1" * 40, "1" * 40)


def test_it_imports_nothing_of_the_project():
    assert "apparel" not in {name for name in vars(start) if not name.startswith("_")}
    assert start.sys is sys
