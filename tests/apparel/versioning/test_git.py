"""Git's commits, experiments and files."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from apparel.errors import UserError
from apparel.versioning import git
from tests.support import project_copy


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A git repository of two commits, as working directory."""
    monkeypatch.chdir(tmp_path)
    project_copy.git(tmp_path, "init", "--quiet", "--initial-branch", "main")
    for text in ("one", "two"):
        for name in ("a.txt", "below/grün.txt"):
            Path(name).parent.mkdir(exist_ok=True)
            Path(name).write_text(f"{text}\n", encoding="utf-8")
        project_copy.git(tmp_path, "add", "--all")
        project_copy.git(tmp_path, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--message", text)
    return tmp_path


def experiment(repository: Path, name: str, baseline: str, revision: str) -> None:
    """Records an experiment as DVC does."""
    project_copy.git(repository, "update-ref", f"refs/exps/{baseline[:2]}/{baseline[2:]}/{name}", revision)


def test_a_commit_goes_by_any_name_of_it(repository):
    first, second = project_copy.git(repository, "log", "--reverse", "--format=%H").split()
    assert [git.commit(name) for name in ("HEAD", "main", second[:8], "HEAD~1")] == [second, second, second, first]
    assert [git.commit(name) for name in ("other", "--help", "")] == [None, None, None]


def test_experiments_go_by_their_names(repository):
    first, second = git.commit("HEAD~1"), git.commit("HEAD")
    experiment(repository, "six", first, second)
    project_copy.git(repository, "update-ref", "refs/exps/exec/EXEC_HEAD", second)
    assert git.experiments() == {"six": [second]}
    assert (git.experiment_of(second), git.experiment_of(first)) == ("six", None)
    assert (git.resolve("six"), git.resolve("HEAD~1")) == (second, first)
    with pytest.raises(LookupError):
        git.resolve("sixx")


def test_an_experiment_of_two_baselines_is_refused_with_its_commits(repository):
    first, second = git.commit("HEAD~1"), git.commit("HEAD")
    experiment(repository, "six", first, first)
    experiment(repository, "six", second, second)
    with pytest.raises(UserError, match=f"2 experiments are called six: .*({first}|{second})"):
        git.resolve("six")


def test_files_of_a_commit_are_read_as_bytes(repository):
    assert git.read_file("HEAD~1", "below/grün.txt") == b"one\n"
    assert git.read_file("HEAD", "a.txt") == b"two\n"
    assert git.read_file("HEAD", "below") is None
    assert git.read_file("HEAD", "b.txt") is None


def test_tracked_files_are_those_of_the_index(repository):
    Path("untracked.txt").touch()
    assert git.tracked_files() == ["a.txt", "below/grün.txt"]


def test_commits_are_found_by_a_text_that_they_changed(repository):
    first, second = git.commit("HEAD~1"), git.commit("HEAD")
    assert git.commits_changing("one", ["a.txt"]) == [second, first]
    assert git.commits_changing("two", ["a.txt"]) == [second]
    assert git.commits_changing("two", ["b.txt"]) == []


def test_a_commit_is_exported_with_a_patch_and_the_repository_stays_as_it_is(repository):
    Path("a.txt").write_text("edited\n", encoding="utf-8")
    patch = git.run("diff").stdout
    before = project_copy.git(repository, "status", "--porcelain")
    git.export_commit("HEAD", repository.parent / "exported", patch)
    tree = repository.parent / "exported" / "tree"
    assert (tree / "a.txt").read_text(encoding="utf-8") == "edited\n"
    assert (tree / "below" / "grün.txt").read_text(encoding="utf-8") == "two\n"
    assert project_copy.git(repository, "status", "--porcelain") == before
    with pytest.raises(UserError, match=r"changes\.patch does not fit commit"):
        git.export_commit(git.commit("HEAD~1"), repository.parent / "other", patch)


def test_a_failure_is_told_in_git_s_own_words(repository):
    assert git.output("rev-parse", "--abbrev-ref", "HEAD") == "main"
    with pytest.raises(UserError, match=r"^git show: .*nothing"):
        git.output("show", "nothing")


def _remove_objects_of(name: str) -> None:
    revision = subprocess.run(["git", "rev-parse", name], capture_output=True, text=True, check=True).stdout.strip()
    Path(".git", "objects", revision[:2], revision[2:]).unlink()


DAMAGES = {
    "another user": (
        lambda patch: patch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1"),
        "git config --global --add safe",
    ),
    "no git": (lambda patch: patch.setenv("PATH", "/nowhere"), "git is not installed"),
    "no repository": (lambda _: shutil.rmtree(".git"), "this folder is no git repository: `git clone`"),
    "moved worktree": (lambda _: _move_worktree(), "not a git repository: /nowhere; `git fsck`"),
    "no HEAD": (lambda _: Path(".git/HEAD").unlink(), "cannot read this clone: .*; `git fsck`"),
    "empty branch": (lambda _: Path(".git/refs/heads/main").write_text(""), "appears to be broken; `git fsck`"),
    "lost commit": (lambda _: _remove_objects_of("HEAD"), "bad object HEAD; `git fsck`"),
    "bad settings": (lambda _: Path(".git/config").write_text("[core"), "bad config line .*; `git fsck`"),
}


def _move_worktree() -> None:
    shutil.rmtree(".git")
    Path(".git").write_text("gitdir: /nowhere\n")


@pytest.mark.parametrize("name", DAMAGES)
def test_a_clone_that_git_does_not_read_is_refused_with_the_remedy_and_not_taken_as_empty(
    repository, monkeypatch, name
):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(repository.parent))
    assert git.refusal() is None
    damage, remedy = DAMAGES[name]
    damage(monkeypatch)
    assert re.search(remedy, git.refusal())
    for query in (
        lambda: git.commit("HEAD"),
        lambda: git.resolve("main"),
        lambda: git.read_file("HEAD", "a.txt"),
        lambda: git.commits_changing("one", ["a.txt"]),
        lambda: git.export_commit("HEAD", repository / "exported"),
    ):
        with pytest.raises(UserError, match=remedy):
            query()


def test_the_remedy_for_another_users_clone_names_its_folder(repository, monkeypatch):
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    command = re.search("`(git config .*)`", git.refusal())[1]
    assert shlex.split(command)[-1] == str(repository)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(repository.parent / "gitconfig"))
    subprocess.run(shlex.split(command), check=True)
    assert git.refusal() is None


def test_a_repository_without_a_commit_is_none_that_git_refuses(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    project_copy.git(tmp_path, "init", "--quiet")
    assert git.refusal() is None
    assert git.commit("HEAD") is None
    assert git.experiments() == {}


def test_a_shallow_clone_is_read(repository, tmp_path_factory, monkeypatch):
    shallow = tmp_path_factory.mktemp("shallow")
    project_copy.git(repository, "clone", "--quiet", "--depth", "1", repository.as_uri(), str(shallow))
    first, second = git.commit("HEAD~1"), git.commit("HEAD")
    monkeypatch.chdir(shallow)
    assert git.refusal() is None
    assert (git.commit("HEAD"), git.commit(first)) == (second, None)


def test_a_commit_whose_files_are_damaged_is_not_exported_in_part(repository):
    _remove_objects_of("HEAD:a.txt")
    with pytest.raises(UserError, match=r"git checkout-index: .*; `git fsck`"):
        git.export_commit("HEAD", repository / "exported")


def test_a_machine_without_git_says_so(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="git is not installed"):
        git.run("status")


def test_the_root_and_its_commit_are_asked_for_by_name(repository, tmp_path_factory, monkeypatch):
    assert git.root_commit("a sweep") == git.commit("HEAD")
    monkeypatch.chdir(repository / "below")
    with pytest.raises(
        UserError, match=re.escape(f"a sweep starts from the root of the git repository: `cd {repository}`")
    ):
        git.root_commit("a sweep")
    new = tmp_path_factory.mktemp("new")
    project_copy.git(new, "init", "--quiet")
    monkeypatch.chdir(new)
    with pytest.raises(UserError, match="a job needs a git commit: run `git init`"):
        git.root_commit("a job")
