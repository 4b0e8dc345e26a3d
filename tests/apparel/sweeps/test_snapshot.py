"""A snapshot has uncommitted changes, leaves them alone, and refuses untracked files that a trial would miss."""

import os
from pathlib import Path

import pytest

from apparel.errors import UserError
from apparel.sweeps import snapshot, workspace
from tests.support import project_copy

CONFIG = Path("configs/sweep.yaml")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name, text in {"params.yaml": "a: 1\n", "apparel/one.py": "1\n", "apparel/two.py": "2\n"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    project_copy.git(tmp_path, "init", "--quiet")
    project_copy.git(tmp_path, "add", "--all")
    project_copy.git(
        tmp_path, "-c", "user.name=test", "-c", "user.email=test@localhost", "commit", "--quiet", "--message", "one"
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_uncommitted_changes_are_included_and_left_alone(folder):
    (folder / "params.yaml").write_text("a: 2\n", encoding="utf-8")
    (folder / "apparel" / "one.py").unlink()
    (folder / "apparel" / "three.py").write_text("3\n", encoding="utf-8")
    project_copy.git(folder, "add", "apparel/three.py")
    before = project_copy.git(folder, "status", "--porcelain")
    taken = snapshot.take(CONFIG)
    snapshot.keep("s", taken)
    assert project_copy.git(folder, "status", "--porcelain") == before
    assert project_copy.git(folder, "stash", "list") == ""
    assert taken.is_changed
    clone = workspace.Workspace(folder / "clone", taken)
    clone.project = folder
    project_copy.git(folder, "clone", "--quiet", "--shared", "--no-checkout", str(folder), str(clone.folder))
    for _ in range(2):
        clone.reset()
        assert (clone.folder / "params.yaml").read_text(encoding="utf-8") == "a: 2\n"
        assert sorted(path.name for path in (clone.folder / "apparel").iterdir()) == ["three.py", "two.py"]
        (clone.folder / "params.yaml").write_text("a: 9\n", encoding="utf-8")


def test_a_clean_tree_is_its_commit(folder):
    taken = snapshot.take(CONFIG)
    assert not taken.is_changed
    assert snapshot.read(taken, "params.yaml") == "a: 1"
    assert snapshot.is_kept(taken)
    assert not snapshot.is_kept(snapshot.Snapshot("0" * 40, "0" * 40, "0" * 40))


def test_a_copied_clean_tree_is_its_commit(folder):
    for name in ("params.yaml", "apparel/one.py"):
        os.utime(folder / name, (1, 1))
    assert not snapshot.take(CONFIG).is_changed


def test_untracked_code_is_refused_by_name_but_not_the_configuration_nor_dvc_outputs(folder):
    for name in ("configs/sweep.yaml", "data/results/train/val.json", "dvc.lock", "data/demo/dvc.lock", "notes.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x", encoding="utf-8")
    snapshot.take(CONFIG)
    (folder / "apparel" / "new.py").write_text("x", encoding="utf-8")
    with pytest.raises(UserError, match=r"git does not track apparel/new\.py"):
        snapshot.take(CONFIG)


def test_no_repository_and_another_folder_than_its_root_are_refused(folder, tmp_path_factory, monkeypatch):
    monkeypatch.chdir(folder / "apparel")
    with pytest.raises(UserError, match="from the root"):
        snapshot.take(CONFIG)
    monkeypatch.chdir(tmp_path_factory.mktemp("bare"))
    with pytest.raises(UserError, match=r"this folder is no git repository: .*`git init`"):
        snapshot.take(CONFIG)
