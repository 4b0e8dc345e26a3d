"""After a `dvc exp run` that was killed, HEAD is on its branch again."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from apparel.versioning import experiment_head, git
from tests.support import project_copy

DVC_YAML = """
stages:
  wait:
    cmd: python -c "import pathlib, time; pathlib.Path('started').touch(); time.sleep(600)"
    params: [seed]
"""

FILES = {
    ".dvc/config": "[core]\n    analytics = false\n    check_update = false\n",
    ".gitignore": "/started\n/.dvc/tmp\n/.dvc/cache\n",
    "dvc.yaml": DVC_YAML,
    "params.yaml": "seed: 0\nepochs: 40\n",
}

START = "the commit where the experiment began"

AMEND = ["commit", "--amend", "--allow-empty", "-m", "a person's"]

STOPS = "rebase"
"""A command of git that stops half way, with an exit status of 1."""

HEAD = ("symbolic-ref", "--quiet", "--short", "HEAD")


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project on the branch `trial`, as working directory."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    project_copy.git(tmp_path, "init", "--quiet", "--initial-branch", "trial")
    project_copy.git(tmp_path, "add", "--all")
    commit(tmp_path)
    return tmp_path


def commit(folder: Path) -> None:
    names = ("-c", "user.name=a", "-c", "user.email=a@b")
    project_copy.git(folder, *names, "commit", "--quiet", "--allow-empty", "--message", "first")


@pytest.mark.skipif(sys.platform == "win32", reason="kills as POSIX does")
def test_head_is_back_after_a_kill_and_stays_away_before(project):
    (project / "params.yaml").write_text("seed: 0\nepochs: 50\n")
    command = [sys.executable, "-m", "dvc", "exp", "run", "--quiet", "--name", "x", "--set-param", "seed=1"]
    dvc = psutil.Popen(command, env=project_copy.environment(), start_new_session=True, stdin=subprocess.DEVNULL)
    try:
        while not (project / "started").exists():
            assert dvc.poll() is None
            time.sleep(0.1)
        assert experiment_head.restore() is None  # an experiment is at work
        assert git.run(*HEAD).returncode  # once this fails, the module may go
    finally:
        family = [*dvc.children(recursive=True), dvc]
        for process in family:
            process.send_signal(signal.SIGKILL)
        psutil.wait_procs(family)
    assert experiment_head.restore() == "trial"
    assert git.output(*HEAD) == "trial"
    assert (project / "params.yaml").read_text() == "seed: 1\nepochs: 50\n"
    assert git.output("diff", "--cached") == ""
    assert experiment_head.restore() is None
    (project / "started").unlink()


@pytest.mark.parametrize(
    ("commands", "restored"),
    [
        ([["checkout", START]], "trial"),
        ([["checkout", START], ["commit", "--allow-empty", "-m", "dvc: commit experiment"]], "trial"),
        (
            [["checkout", START], ["commit", "--allow-empty", "-m", "mine"], ["update-ref", "refs/exps/a/b/x", "HEAD"]],
            "trial",
        ),
        ([["checkout", START], ["commit", "--allow-empty", "-m", "a person's"]], None),
        ([["checkout", START], ["commit", "--allow-empty", "-m", "dvc: commit experiment"], AMEND], None),
        ([["checkout", START], ["rebase", "--exec", "false", "HEAD~1"]], None),
        ([["checkout", START], ["branch", "--force", "trial", "HEAD~1"]], None),
        ([["checkout", START], ["branch", "--delete", "--force", "trial"]], None),
        ([["checkout", "--detach", "HEAD~1"]], None),
        ([["checkout", START], ["update-ref", "-d", "refs/exps/exec/EXEC_BASELINE"]], None),
        ([], None),
    ],
)
def test_head_is_put_back_where_dvc_alone_moved_it(project, commands, restored):
    commit(project)
    for ref in (experiment_head.EXEC_HEAD, experiment_head.EXEC_BASELINE):
        git.output("update-ref", ref, "HEAD")
    start = git.output("rev-parse", "HEAD")
    for command in commands:
        words = [start if word == START else word for word in command]
        done = git.run("-c", "user.name=a", "-c", "user.email=a@b", *words)
        assert done.returncode == (command[0] == STOPS), done.stderr
    before = git.output("rev-parse", "HEAD")
    assert experiment_head.restore() == restored
    if restored:
        assert (git.output(*HEAD), git.output("rev-parse", "HEAD")) == ("trial", start)
    else:
        assert git.output("rev-parse", "HEAD") == before


def test_without_a_repository_nothing_is_put_back(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(git.UserError, match="no git repository"):
        experiment_head.restore()
