"""`apparel import` that was interrupted: finished by the same import, undone by the next one or by `--abandon`."""

import shutil
from pathlib import Path

import pytest
from dvc.lock import LockError
from dvc.repo import Repo

from apparel import paths
from apparel.data.ingest import recovery, staging
from apparel.errors import UserError
from tests.support import import_project
from tests.support.import_project import SHOP, run, state, tree, write_shop


@pytest.fixture
def project(tmp_path, monkeypatch):
    """An empty project of git and DVC, with a source beside it."""
    return import_project.make(tmp_path, monkeypatch)


def interrupt_import(monkeypatch, *words):
    """Runs an import that is interrupted before DVC tracks what was moved."""

    def interrupted(_targets):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(recovery, "_track", interrupted)
        run(*words)


def test_an_import_that_dvc_could_not_track_is_finished_by_the_next(project, monkeypatch):
    shutil.move(".dvc/config", "config")
    Path(".dvc/config").write_text("[core\n", encoding="utf-8")
    with pytest.raises(UserError, match="DVC could not track"):
        run("../shop.zip", "--name", "shop")
    shutil.move("config", ".dvc/config")
    run("../shop.zip", "--name", "shop")
    assert tree(paths.DATA) == {f"shop/{name}" for name in SHOP}


def test_an_interrupted_import_is_finished_but_not_taken_for_another_source(project, monkeypatch):
    interrupt_import(monkeypatch, "../shop.zip", "--name", "shop")
    other = project.parent / "other"
    other.mkdir()
    write_shop(other / "shop.zip", photos=2)
    with pytest.raises(UserError, match="data/shop exists already"):
        run("../other/shop.zip", "--name", "shop")
    assert len(list(paths.photos("shop").iterdir())) == 4
    run("../other/shop.zip", "--name", "shop", "--replace")
    assert len(list(paths.photos("shop").iterdir())) == 2


@pytest.mark.parametrize("replace", [False, True])
def test_an_import_that_dvc_cannot_track_is_undone(project, replace):
    if replace:
        run(write_shop(project.parent / "old.zip", photos=2), "--name", "shop")
    before = state()
    shutil.move(".dvc/config", "config")
    Path(".dvc/config").write_text("[core\n", encoding="utf-8")
    with pytest.raises(UserError, match="DVC could not track"):
        run("../shop.zip", "--name", "shop", *["--replace"] * replace)
    assert state() == before and not list(paths.DATA.glob(f"{staging.PREFIX}*"))
    shutil.move("config", ".dvc/config")
    run(write_shop(project.parent / "other.zip", photos=1), "--name", "other")
    with Repo() as repo:
        assert repo.status() == {}


def test_an_import_whose_files_are_gone_blocks_no_later_one(project, monkeypatch, capsys):
    interrupt_import(monkeypatch, "../shop.zip", "--name", "shop")
    shutil.rmtree(paths.DATA / "shop")
    run(write_shop(project.parent / "other.zip", photos=1), "--name", "other")
    assert "undoing the interrupted import of shop" in capsys.readouterr().out
    assert {name.partition("/")[0] for name in tree(paths.DATA)} == {"other"}
    run("../shop.zip", "--name", "shop")
    assert tree(paths.DATA / "shop") == SHOP


def test_an_import_waits_for_a_dvc_at_work_or_is_abandoned(project, monkeypatch, capsys):
    run(write_shop(project.parent / "old.zip", photos=2), "--name", "shop")
    before = state()

    def busy(_self, _targets):
        raise LockError("in use")

    with monkeypatch.context() as patched:
        patched.setattr(Repo, "add", busy)
        for _ in range(2):
            with pytest.raises(UserError, match=r"run the same import again.*`apparel import --abandon`"):
                run("../shop.zip", "--name", "shop", "--replace")
    assert len(list(paths.photos("shop").iterdir())) == 4
    run("--abandon")
    assert state() == before
    assert "undoing the interrupted import of shop" in capsys.readouterr().out


@pytest.mark.parametrize("nth", range(1, 9))
def test_an_import_is_abandoned_whatever_interrupts_that(project, monkeypatch, nth):
    """Of four parts, each is moved out and its predecessor is moved back."""
    run(write_shop(project.parent / "old.zip", photos=2), "--name", "shop")
    before, rename, renamed = state(), Path.rename, []

    def interrupted(path, target):
        renamed.append(target)
        if len(renamed) == nth:
            raise KeyboardInterrupt
        return rename(path, target)

    interrupt_import(monkeypatch, "../shop.zip", "--name", "shop", "--replace")
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Path, "rename", interrupted)
        run("--abandon")
    run("--abandon")
    assert state() == before and not list(paths.DATA.glob(f"{staging.PREFIX}*"))


def test_an_import_that_deletes_what_it_replaced_is_done(project, monkeypatch):
    run(write_shop(project.parent / "old.zip", photos=2), "--name", "shop")

    def interrupted(folder):
        shutil.rmtree(folder / "old-photos", ignore_errors=True)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(recovery.files, "remove_tree", interrupted)
        run("../shop.zip", "--name", "shop", "--replace")
    run("--abandon")
    assert tree(paths.DATA) == {f"shop/{name}" for name in SHOP}
    with Repo() as repo:
        assert repo.status() == {}


@pytest.mark.parametrize("words", [["shop"], ["--name", "shop"], []])
def test_an_interrupted_import_is_abandoned_by_name(project, monkeypatch, words):
    interrupt_import(monkeypatch, "../shop.zip", "--name", "shop")
    run("--abandon", *words)
    assert not list(paths.DATA.glob("*"))


def test_a_replacing_import_whose_folder_was_deleted_restores_what_was_there(project, monkeypatch):
    run(write_shop(project.parent / "old.zip", photos=2), "--name", "shop")
    before = state()
    interrupt_import(monkeypatch, "../shop.zip", "--name", "shop", "--replace")
    shutil.rmtree(paths.DATA / "shop")
    run(write_shop(project.parent / "other.zip", photos=1), "--name", "other")
    assert {name: text for name, text in state().items() if not name.startswith("other/")} == before


def test_an_import_whose_staging_folder_was_deleted_can_be_repeated(project, monkeypatch):
    interrupt_import(monkeypatch, "../shop.zip", "--name", "shop")
    shutil.rmtree(paths.DATA / ".import-shop")
    with pytest.raises(UserError, match="data/shop exists already"):
        run("../shop.zip", "--name", "shop")
    run("../shop.zip", "--name", "shop", "--replace")
    assert tree(paths.DATA) == {f"shop/{name}" for name in SHOP}


def test_an_interrupted_import_of_photos_alone_is_undone(project):
    with staging.staging_folder(paths.UNLABELLED, "more") as folder:
        (folder / recovery.READY).write_text("damaged")
    run("--abandon", "more")
    assert not list(paths.UNLABELLED.glob(".import-*"))
