"""What a job gets of a clone: the commit, changes and new files, and neither more nor anything secret."""

import os
import subprocess
from pathlib import Path

import pytest

from apparel.cloud import snapshot, start
from apparel.errors import UserError
from tests.support import project_copy
from tests.support.repository import ROOT

KEY = "-----BEGIN " + "RSA PRIVATE KEY-----\nMIIE\n"


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A small repository with a commit, as the current folder."""
    folder = tmp_path / "project"
    for name, text in {
        "params.yaml": "seed: 0\n", "stages/train.py": "print(1)\n", ".dvc/config": "[core]\n    remote = storage\n",
        ".gitignore": "*.log\n", "dvc.lock": "schema: '2.0'\n",
    }.items():  # fmt: skip
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    project_copy.git(folder, "init", "--quiet")
    commit(folder)
    monkeypatch.chdir(folder)
    return folder


def commit(folder):
    project_copy.git(folder, "add", "--all")
    author = ("-c", "user.name=test", "-c", "user.email=test@localhost")
    project_copy.git(folder, *author, "commit", "--quiet", "--message", "one")


def unpacked(tmp_path) -> Path:
    """The snapshot of the current folder, as a machine unpacks it."""
    pack, folder = tmp_path / "snapshot.pack", tmp_path / "machine"
    with snapshot.taken() as taken:
        taken.pack(pack)
    start.unpack(pack, folder, taken.commit, taken.state)
    return folder


def test_changes_and_new_files_arrive_and_the_clone_stays_as_it_is(project, tmp_path):
    (project / "params.yaml").write_text("seed: 7\n")
    (project / "stages" / "new.py").write_text("print(2)\n")
    (project / "stages" / ":(glob)*.py").write_text("print(3)\n")
    (project / "stages" / "ignored.log").write_text("log")
    (project / "notes.txt").write_text("mine")
    (project / "stages" / "train.py").unlink()
    objects = sorted(project.glob(".git/objects/*/*"))
    status = project_copy.git(project, "status", "--porcelain")  # which refreshes the index
    index = (project / ".git" / "index").read_bytes()
    machine = unpacked(tmp_path)
    assert (machine / "params.yaml").read_text() == "seed: 7\n"
    assert (machine / "stages" / ":(glob)*.py").read_text() == "print(3)\n"
    assert sorted(path.name for path in (machine / "stages").iterdir()) == [":(glob)*.py", "new.py"]
    assert not (machine / "notes.txt").exists()
    head = project_copy.git(project, "rev-parse", "HEAD")
    assert project_copy.git(machine, "rev-parse", "HEAD") == head
    assert "stages/new.py" in project_copy.git(machine, "diff", "--name-only", "HEAD")  # MLflow's patch has it
    assert sorted(project.glob(".git/objects/*/*")) == objects
    assert (project / ".git" / "index").read_bytes() == index
    assert project_copy.git(project, "status", "--porcelain") == status


def test_a_clean_clone_is_its_commit_and_the_same_files_make_the_same_state(project):
    with snapshot.taken() as clean:
        assert clean.state == clean.commit
        assert clean.changes() == []
    (project / "params.yaml").write_text("seed: 7\n")
    (project / "dvc.lock").write_text("schema: '3.0'\n")
    with snapshot.taken() as first, snapshot.taken() as second:
        assert first.state == second.state != first.commit
        assert first.changes() == ["params.yaml"]  # stages write dvc.lock
        assert first.generated().keys() == {"dvc.lock"}


def test_a_shallow_clone_and_history_that_stays_at_home(project, tmp_path, monkeypatch):
    (project / "stages" / "train.py").write_text("print('secret plan')\n")
    commit(project)
    (project / "stages" / "train.py").write_text("print(1)\n")
    commit(project)
    project_copy.git(tmp_path, "clone", "--quiet", "--depth", "1", project.as_uri(), "shallow")
    monkeypatch.chdir(tmp_path / "shallow")
    machine = unpacked(tmp_path)
    assert (machine / "stages" / "train.py").read_text() == "print(1)\n"
    assert len(project_copy.git(machine, "log", "--format=%H").split()) == 1


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("stages/key.pem", KEY, "stages/key.pem seems to hold a private key"),
        ("configs/user.json", '{"refresh' + '_token": "1//x"}', "configs/user.json seems to hold a private key"),
        ("configs/aws.yaml", "AKIA" + "ABCDEFGHIJKLMNOP", "configs/aws.yaml seems to hold a private key"),
        ("configs/.env", "AWS_SECRET_ACCESS_" + "KEY=" + "aB3/" * 10, "configs/.env seems to hold a private key"),
        ("data/key.json", '{"SecretAccessKey": "' + "aB3+" * 10 + '"}', "data/key.json seems to hold a private key"),
        ("stages/maps.py", "KEY = 'AI" + "za" + "aB_3-" * 7 + "'", "stages/maps.py seems to hold a private key"),
        ("stages/hub.py", "TOKEN = 'gh" + "p_" + "aB3" * 12 + "'", "stages/hub.py seems to hold a private key"),
        ("params.yaml", "data:\n  from: https://me:word@host/x\n", "params.yaml seems to hold a password"),
        ("data/source.json", '{"source": "postgresql://me:w@db/x"}', "data/source.json seems to hold a password"),
        ("configs/sweep.yaml", "study: one\npassword: word\n", "configs/sweep.yaml seems to hold a password"),
        ("configs/x.env", "export MLFLOW_TRACKING_PASSWORD=word\n", "configs/x.env seems to hold a password"),
        (".dvc/config", "['remote \"s\"']\n    passphrase = x\n", "dvc remote modify --local"),
        (".dvc/config", "['remote \"s\"']\n    password = x\n", "dvc remote modify --local"),
        (".dvc/config", "['remote \"s\"']\n    url = https://me:word@host/x\n", "dvc remote modify --local"),
        (".dvc/config", "['remote \"s\"']\n    secret_access_key = x\n", "dvc remote modify --local"),
    ],
)
def test_keys_and_passwords_stop_it_before_anything_is_sent(project, name, content, said):
    (project / name).parent.mkdir(exist_ok=True)
    (project / name).write_text(content)
    with pytest.raises(UserError, match=said), snapshot.taken():
        pass


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("configs/db.yaml", "password:\npassword: ${DB_PASSWORD}\npassword: ''\naddress: https://host:80/a@b\n"),
        ("data/source.json", '{"source": "https://me@host/x", "window": "10:30 a@b", "gs": "gs://b/x:y@z"}'),
        ("stages/work.py", "address = 'https://me:word@host/x'  # an example\npassword = ask()\n"),
        ("params.yaml", "tokens: 7\nsecret_sauce: mayonnaise\n"),
    ],
)
def test_what_is_no_password_may_leave_the_machine(project, name, content):
    (project / name).parent.mkdir(exist_ok=True)
    (project / name).write_text(content)
    with snapshot.taken() as taken:
        assert name in taken.changes()


def test_this_project_itself_may_leave_the_machine(monkeypatch):
    monkeypatch.chdir(ROOT)
    with snapshot.taken() as taken:
        assert taken.tree


def test_a_key_outside_of_what_a_job_needs_stays_here(project, tmp_path):
    (project / "key.pem").write_text(KEY)
    (project / ".dvc" / "config.local").write_text("password = x\n")
    machine = unpacked(tmp_path)
    assert not (machine / "key.pem").exists()
    assert not (machine / ".dvc" / "config.local").exists()


def test_large_files_other_repositories_and_conflicts_are_errors_that_name_the_file(project, monkeypatch):
    monkeypatch.setattr(snapshot, "MAX_FILE_BYTES", 100)
    (project / "stages" / "large.bin").write_bytes(bytes(101))
    with pytest.raises(
        UserError, match=r"stages/large\.bin has more than 100 bytes and git does not ignore it; `dvc add`"
    ):
        snapshot.taken().__enter__()
    (project / "stages" / "large.bin").unlink()
    project_copy.git(project, "init", "--quiet", "stages/other")
    (project / "stages" / "other" / "one.py").touch()
    commit(project / "stages" / "other")
    with pytest.raises(UserError, match="stages/other/ is a git repository of its own"):
        snapshot.taken().__enter__()


def test_where_no_commit_is_the_remedy_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(UserError, match="git init"):
        snapshot.taken().__enter__()


def test_a_merge_under_way_names_the_file(project):
    author = ("-c", "user.name=test", "-c", "user.email=test@localhost")
    for branch, seed in (("other", 1), ("mine", 2)):
        project_copy.git(project, "checkout", "--quiet", "-b", branch, "HEAD" if branch == "other" else "HEAD~1")
        (project / "params.yaml").write_text(f"seed: {seed}\n")
        commit(project)
    subprocess.run(["git", *author, "merge", "other"], cwd=project, capture_output=True, env=os.environ, check=False)
    with pytest.raises(UserError, match=r"a merge has conflicts in params\.yaml"):
        snapshot.taken().__enter__()
