"""What stands in the way of a run is named before DVC starts."""

import json
import shutil
import subprocess
import sys
from collections import namedtuple

import pytest

from apparel import params
from apparel.analysis import run_checks
from apparel.errors import UserError
from apparel.utils import locking
from tests.support.project_copy import git
from tests.support.repository import ROOT


@pytest.fixture
def project(tmp_path, monkeypatch):
    """params.yaml in a git repository with one commit."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "params.yaml", "params.yaml")
    (tmp_path / "stages").mkdir()
    (tmp_path / "stages" / "train.py").touch()
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "config", "user.name", "test")
    git(tmp_path, "config", "user.email", "test@localhost")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "--message", "first")
    return tmp_path


def test_a_project_with_a_commit_is_ready(project):
    run_checks.check_environment(experiment=True, isolated=True)


def test_a_dvc_at_work_is_named_and_one_that_has_ended_is_not(project):
    run_checks.RWLOCK.parent.mkdir(parents=True)
    code = "import sys; print('up', flush=True); sys.stdin.read()"
    process = subprocess.Popen([sys.executable, "-c", code, "dvc"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        process.stdout.readline()
        entry = {"pid": process.pid, "cmd": "/home/ada/.venv/bin/dvc repro"}
        run_checks.RWLOCK.write_text(json.dumps({"write": {"data/results/train": entry}, "read": {}}))
        with pytest.raises(
            UserError, match=rf"at work in this clone: dvc repro \(process {process.pid}\); .*--isolated"
        ):
            run_checks.check_environment(experiment=False, isolated=False)
        run_checks.check_environment(experiment=False, isolated=True)
    finally:
        process.communicate()
    run_checks.check_environment(experiment=False, isolated=False)


def test_a_process_id_that_another_program_has_by_now_blocks_nothing(project):
    run_checks.RWLOCK.parent.mkdir(parents=True)
    run_checks.RWLOCK.write_text(json.dumps({"write": {"data": {"pid": 1, "cmd": "dvc repro"}}}))
    assert run_checks.runs_at_work() == []


def test_a_stage_that_was_started_by_hand_is_named(project):
    with locking.only_one(project / ".apparel" / "train.lock", "taken"):
        assert run_checks.runs_at_work() == ["the stage train"]
    assert run_checks.runs_at_work() == []


def test_an_experiment_needs_a_commit(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    git(tmp_path, "init", "--quiet")
    with pytest.raises(UserError, match="needs a git commit: git add --all && git commit"):
        run_checks.check_environment(experiment=True, isolated=False)


def test_an_unfinished_merge_is_named(project):
    for branch, text in (("one", "1"), ("two", "2")):
        git(project, "checkout", "--quiet", "-b", branch, "HEAD" if branch == "one" else "HEAD~1")
        (project / "params.yaml").write_text(text)
        git(project, "commit", "--quiet", "--all", "--message", branch)
    subprocess.run(["git", "merge", "one"], cwd=project, capture_output=True, check=False)
    with pytest.raises(UserError, match=r"a merge in git is unfinished: params\.yaml"):
        run_checks.check_environment(experiment=False, isolated=False)


def test_what_git_does_not_track_would_be_missing_in_a_copy(project):
    (project / "stages" / "new.py").touch()
    run_checks.check_environment(experiment=True, isolated=False)
    with pytest.raises(UserError, match=r"git does not track stages/new\.py, so an isolated run would not have it"):
        run_checks.check_environment(experiment=True, isolated=True)


def test_a_disk_that_is_too_full_is_named_with_both_figures(project, monkeypatch):
    monkeypatch.setattr(run_checks.prerequisites, "check_parameters", lambda config: None)
    photos = project / "data" / "demo" / "photos"
    photos.mkdir(parents=True)
    (photos / "a.jpg").write_bytes(bytes(10_000_000))
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(run_checks.shutil, "disk_usage", lambda path: usage(19_000_000))
    run_checks.check_data(params.load(), ["eval"], isolated=False)
    with pytest.raises(UserError, match="has 19 MB free, and this run needs about 20 MB"):
        run_checks.check_data(params.load(), ["tfrecord"], isolated=False)


def test_a_command_is_named_without_its_parameters():
    line = "/opt/env/lib/python3.11/site-packages/dvc/__main__.py exp run -n shop -S data.name=shop -S train.epochs=3"
    assert run_checks._short(line) == "dvc exp run -n shop …"
    assert run_checks._short("/usr/bin/dvc repro train") == "dvc repro train"
