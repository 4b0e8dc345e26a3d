import json
from pathlib import Path

import pytest

from apparel import paths
from apparel.data.ingest import recovery, staging
from apparel.errors import UserError

SHOP = paths.DATA / "shop"


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    """An empty folder as the project's root."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def interrupted(name="shop", **parts):
    """A staging folder with these files."""
    folder = paths.DATA / f"{staging.PREFIX}{name}"
    folder.mkdir(parents=True)
    for part, text in parts.items():
        (folder / part.replace("_json", ".json").replace("old_", "old-")).write_text(text)
    return folder


def test_an_import_without_a_plan_is_undone(capsys):
    (interrupted() / "photos").mkdir()
    assert recovery.recover_imports() == {}
    assert list(paths.DATA.iterdir()) == []
    assert "undoing the interrupted import of shop" in capsys.readouterr().out


@pytest.mark.parametrize(
    "parts",
    [
        {"ready_json": ""},  # the power failed while it was written
        {"ready_json": "[]"},
        {"ready_json": "{}"},
        {"undo_json": "\0\0"},
        {"done_json": '{"tracked": {}'},
        {"old_photos": "of the user"},  # its plan was deleted by hand
    ],
)
def test_an_import_that_can_be_neither_finished_nor_undone_blocks_only_its_own_name(parts, capsys):
    folder = interrupted(**parts)
    assert recovery.recover_imports(paths.DATA / "other") == {}
    warning = capsys.readouterr().out
    assert "warning: " in warning and folder.exists()
    with pytest.raises(UserError):
        recovery.recover_imports(SHOP)
    assert recovery.abandon_imports("shop") == ["shop"]
    assert not folder.exists() and recovery.recover_imports(SHOP) == {}
    if "old_photos" in parts:
        assert "`apparel import --abandon shop`" in warning
        assert (paths.DATA / ".abandoned-1" / "old-photos").read_text() == "of the user"


def test_what_was_replaced_is_restored_although_its_folder_was_deleted():
    plan = {"tracked": {"photos": "data/shop/photos"}, "record": "data/shop/source.json", "replaced": ["photos"]}
    folder = interrupted(ready_json=json.dumps(plan | {"dvc_files": {"data/shop/photos.dvc": "md5"}}))
    (folder / "old-photos").mkdir()
    (folder / "old-photos" / "1.jpg").touch()
    recovery.undo_import(folder)
    assert (SHOP / "photos" / "1.jpg").exists() and (SHOP / "photos.dvc").read_text() == "md5"
    assert not folder.exists()


def test_photos_are_moved_back_from_another_disk_that_was_linked_since(monkeypatch):
    plan = {"tracked": {"photos": "data/shop/photos"}, "record": "data/shop/source.json", "replaced": []}
    folder = interrupted(ready_json=json.dumps(plan))
    (SHOP / "photos").mkdir(parents=True)

    def other_disk(_path, _target):
        raise OSError(recovery.errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(Path, "rename", other_disk)
    recovery.undo_import(folder)
    assert list(paths.DATA.iterdir()) == []


def test_one_import_of_several_is_abandoned():
    interrupted("shop"), interrupted("other")
    assert recovery.abandon_imports("shop") == ["shop"]
    assert [path.name for path in paths.DATA.iterdir()] == [".import-other"]
    assert recovery.abandon_imports("shop") == []
    assert recovery.abandon_imports() == ["other"]


def test_whatever_dvc_raises_the_import_is_undone(monkeypatch):
    from dvc.repo import Repo

    def full_disk(_repo):
        raise RuntimeError("database or disk is full")

    monkeypatch.setattr(Repo, "__init__", full_disk)
    with staging.staging_folder(paths.DATA, "shop") as folder, pytest.raises(UserError, match="disk is full"):
        (folder / "photos").mkdir()
        recovery.finish_import(folder, {"photos": SHOP / "photos"}, SHOP / "source.json", {}, [])
    assert list(paths.DATA.iterdir()) == []
