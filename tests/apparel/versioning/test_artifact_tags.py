"""Tags of git by which DVC finds an artifact, read back by DVC itself."""

import pytest

from apparel.errors import UserError
from apparel.versioning import artifact_tags, git
from tests.support import project_copy

DVC_YAML = "artifacts:\n  garments:\n    path: model\n    type: model\n"


@pytest.fixture
def commits(tmp_path, monkeypatch):
    """Three commits with a model each, in a project whose models are in git."""
    monkeypatch.chdir(tmp_path)
    project_copy.git(tmp_path, "init", "--quiet", "--initial-branch=main")
    project_copy.git(tmp_path, "config", "user.name", "a")
    project_copy.git(tmp_path, "config", "user.email", "a@b")
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config").write_text("[core]\n    analytics = false\n", encoding="utf-8")
    made = []
    for number, dvc_yaml in enumerate((DVC_YAML, DVC_YAML, "stages: {}\n")):
        (tmp_path / "dvc.yaml").write_text(dvc_yaml, encoding="utf-8")
        (tmp_path / "model").write_text(f"model {number}", encoding="utf-8")
        project_copy.git(tmp_path, "add", "--all")
        project_copy.git(tmp_path, "commit", "--quiet", "--message", f"{number}")
        made.append(git.commit("HEAD"))
    return made


def write(number, revision):
    return artifact_tags.write("garments", "champion", number, revision, "why")


def fetched(folder, *options):
    """What `dvc artifacts get` brings."""
    done = project_copy.run(folder, "dvc", "artifacts", "get", ".", "garments", *options, "--out", "got", "--force")
    assert done.returncode == 0, done.stdout
    return (folder / "got").read_text(encoding="utf-8")


def test_dvc_finds_each_version_and_the_champion(commits, tmp_path):
    first, second, _ = commits
    assert write(1, first) == ["garments@v1.0.0", "garments#champion#1"]
    assert write(2, second) == ["garments@v2.0.0", "garments#champion#2"]
    assert write(2, second) == ["garments@v2.0.0", "garments#champion#2"]  # repeated
    assert fetched(tmp_path) == "model 1"
    assert fetched(tmp_path, "--rev", "v1.0.0") == "model 0"
    assert write(1, first) == ["garments@v1.0.0", "garments#champion#3"]  # the former one is champion again
    assert git.commit("garments#champion#3") == first


def test_a_number_that_another_commit_has_is_not_taken(commits):
    first, second, _ = commits
    write(1, first)
    assert write(1, second) == ["garments@v2.0.0", "garments#champion#2"]


def test_a_commit_without_the_artifact_gets_no_tag(commits):
    with pytest.raises(UserError, match="has no artifact 'garments'"):
        write(1, commits[2])
    assert git.output("tag") == ""
