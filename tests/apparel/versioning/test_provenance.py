"""The tags of a run name the commit, the data, the packages and the machine."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from apparel import params, paths
from apparel.versioning import provenance
from tests.support import project_copy
from tests.support.repository import ROOT

LOCK = """
schema: '2.0'
stages:
  convert:
    cmd: python -m stages.convert
    deps:
    - {path: data/demo/photos, hash: md5, md5: 1111.dir, size: 10, nfiles: 2}
    - {path: data/demo/lists, hash: md5, md5: 2222.dir, size: 10, nfiles: 2}
    - {path: data/other/photos, hash: md5, md5: 3333.dir, size: 10, nfiles: 2}
  tfrecord:
    cmd: python -m stages.tfrecord
    outs:
    - {path: data/results/tfrecord, hash: md5, md5: 4444.dir, size: 10, nfiles: 2}
"""


@pytest.fixture
def chosen():
    return params.load(ROOT / "params.yaml")


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A git repository with one commit, as working directory."""
    monkeypatch.chdir(tmp_path)
    for name in ("code.py", "dvc.yaml", "dvc.lock", "data/demo/dvc.lock", "data/results/eval/metrics.json"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text("old\n")
    project_copy.git(tmp_path, "init", "--quiet")
    project_copy.git(tmp_path, "add", "--all")
    project_copy.git(tmp_path, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--message", "first")
    return tmp_path


def test_commit_of_an_unchanged_tree(repository):
    head = project_copy.git(repository, "rev-parse", "HEAD").strip()
    assert provenance.code() == {"mlflow.source.git.commit": head, "git.dirty": "false"}
    assert provenance.patch() == b""


def test_an_edit_makes_the_tree_dirty_and_its_patch_applies(repository):
    _changed_and_back(repository, b"new")


@pytest.mark.parametrize(
    ("key", "value"), [("diff.external", "no-such-program"), ("diff.noprefix", "true"), ("color.diff", "always")]
)
def test_the_users_settings_for_differences_change_nothing(repository, key, value):
    project_copy.git(repository, "config", key, value)
    _changed_and_back(repository, "Grüße in Latin-1".encode("latin-1"))


def test_a_tree_that_git_cannot_compare_is_not_called_clean(repository):
    Path(".git/index").write_text("damaged")
    assert provenance.code()["git.dirty"] == "unknown"
    assert re.match(r"git cannot compare the files .*index file.*; `git fsck`", provenance.code()["git.gap"])


def _changed_and_back(repository, content):
    Path("code.py").write_bytes(content)
    patch = provenance.patch()
    assert provenance.code()["git.dirty"] == "true"
    project_copy.git(repository, "checkout", "code.py")
    subprocess.run(["git", "apply"], input=patch, check=True)
    assert Path("code.py").read_bytes() == content


def test_what_the_pipeline_writes_and_untracked_files_make_nothing_dirty(repository):
    for name in ("dvc.lock", "data/demo/dvc.lock", "data/results/eval/metrics.json", "notes.txt"):
        Path(name).write_text("new\n")
    assert provenance.code()["git.dirty"] == "false"


def test_the_password_of_a_remote_is_in_no_patch(repository):
    Path(".dvc").mkdir(exist_ok=True)
    Path(".dvc/config").write_text("[core]\n")
    project_copy.git(repository, "add", "--force", ".dvc/config")
    author = ("-c", "user.name=a", "-c", "user.email=a@b")
    project_copy.git(repository, *author, "commit", "--quiet", "--message", "dvc")
    Path(".dvc/config").write_text("['remote \"store\"']\n    password = secret\n")
    assert (provenance.patch(), provenance.code()["git.dirty"]) == (b"", "false")


def _outside_of_a_repository():
    shutil.rmtree(".git")


def _repository_without_a_commit():
    shutil.rmtree(".git")
    subprocess.run(["git", "init", "--quiet"], check=True)


def _folder_of_another_repository():
    """A copy of the project in a folder of a repository that does not track it."""
    Path("copy").mkdir()
    shutil.copy("dvc.yaml", "copy")
    os.chdir("copy")


@pytest.mark.parametrize(
    ("change", "remedy"),
    [
        (_outside_of_a_repository, "this folder is no git repository: `git clone`"),
        (_repository_without_a_commit, "no commit yet; run `git init`"),
        (_folder_of_another_repository, "does not track the project; run `git init`"),
    ],
)
def test_code_without_a_commit_is_told_with_the_remedy_and_is_no_error(repository, monkeypatch, capsys, change, remedy):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(repository.parent))
    change()
    tags = provenance.code()
    assert list(tags) == ["git.gap"]
    assert remedy in tags["git.gap"]
    assert provenance.patch() is None
    provenance.report_gap()
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"warning: MLflow's run will not tell which code ran: {tags['git.gap']}"


def test_nothing_is_told_of_a_commit_that_git_knows(repository, capsys):
    Path("code.py").write_text("new\n")
    provenance.report_gap()
    assert capsys.readouterr().err == ""
    assert "git.gap" not in provenance.code()


def test_data_hashes_come_from_the_lock_and_the_data_set_in_use(tmp_path, monkeypatch, chosen):
    monkeypatch.chdir(tmp_path)
    Path("dvc.lock").write_text(LOCK)
    assert provenance.data(chosen) == {
        "data/demo/photos": {"md5": "1111.dir", "size": 10, "nfiles": 2},
        "data/demo/lists": {"md5": "2222.dir", "size": 10, "nfiles": 2},
        "data/results/tfrecord": {"md5": "4444.dir", "size": 10, "nfiles": 2},
    }


def test_outputs_win_over_what_a_later_stage_read_the_last_time(tmp_path, monkeypatch, chosen):
    monkeypatch.chdir(tmp_path)
    before = "  train:\n    deps:\n    - {path: data/results/tfrecord, hash: md5, md5: 0000.dir, size: 9, nfiles: 2}\n"
    Path("dvc.lock").write_text(LOCK + before)
    assert provenance.data(chosen)["data/results/tfrecord"]["md5"] == "4444.dir"


def test_a_dvc_file_wins_over_the_lock(tmp_path, monkeypatch, chosen):
    monkeypatch.chdir(tmp_path)
    Path("dvc.lock").write_text(LOCK)
    paths.photos("demo").parent.mkdir(parents=True)
    Path("data/demo/photos.dvc").write_text("outs:\n- {path: photos, hash: md5, md5: 5555.dir, size: 7, nfiles: 1}\n")
    assert provenance.data(chosen)["data/demo/photos"] == {"md5": "5555.dir", "size": 7, "nfiles": 1}


@pytest.mark.parametrize("text", ["", "not: [yaml", "stages:\n", "schema: '2.0'\n"])
def test_a_lock_without_stages_is_no_error(tmp_path, monkeypatch, chosen, text):
    monkeypatch.chdir(tmp_path)
    Path("dvc.lock").write_text(text)
    assert provenance.data(chosen) == {}


def test_tags_name_versions_machine_and_experiment(tmp_path, monkeypatch, chosen):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_EXP_NAME", "lucky-sock")
    tags = provenance.tags(chosen)
    assert tags["dvc.experiment"] == "lucky-sock"
    assert tags["version.tensorflow"].startswith("2.")
    assert int(tags["machine.cores"]) >= 1
    assert tags["machine.cpu"]
    assert tags["mlflow.user"]
