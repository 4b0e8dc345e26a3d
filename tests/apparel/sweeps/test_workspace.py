"""A trial becomes an experiment that `dvc exp apply` restores, without the results of another training on test."""

import json
import shutil
import time
from pathlib import Path

import pytest
from dvc.repo import Repo

from apparel.sweeps import snapshot, workspace
from apparel.versioning import dvc_lock
from tests.support import fast_project, project_copy

METRICS = Path("data/results/eval/metrics.json")
DETECTIONS = Path("data/results/eval/detections.csv")


@pytest.fixture(params=["evaluated before", "never ran"])
def folder(request, three_stages_run, tmp_path, monkeypatch):
    """A project where a trial with another seed was trained and kept as `tiny-001`."""
    folder = shutil.copytree(three_stages_run, tmp_path / "project")
    if request.param == "never ran":
        project_copy.git(folder, "rm", "--quiet", "-r", "--cached", "dvc.lock", "data/results")
        (folder / "dvc.lock").unlink()
        shutil.rmtree(folder / "data" / "results")
        project_copy.git(folder, "commit", "--quiet", "--message", "as it was")
    monkeypatch.chdir(folder)
    clone = workspace.Workspace(tmp_path / "clone", snapshot.take(Path("configs/sweep.yaml")))
    clone.create()
    with (tmp_path / "log").open("wb") as log:
        process = clone.train({"train.seed": 1}, log)
        while process.poll() is None:
            time.sleep(0.1)
        assert process.returncode == 0, (tmp_path / "log").read_text()
    clone.save("tiny-001", "tiny-001: train.seed 1")
    clone.close()
    return folder


def test_a_project_under_any_path_shares_its_cache_and_its_settings(three_stages_run, tmp_path, monkeypatch):
    folder = shutil.copytree(three_stages_run, tmp_path / "my clone – ünï (1), #2 100%")
    (folder / ".dvc" / "config.local").write_text("['remote \"shop\"']\n    url = /mnt/zoë\n", encoding="utf-8")
    monkeypatch.chdir(folder)
    clone = workspace.Workspace(Path(".apparel/sweeps/tiny/worker-0"), snapshot.take(Path("configs/sweep.yaml")))
    clone.create()
    with Repo(str(clone.folder)) as repo:
        assert Path(repo.cache.local_cache_dir) == folder / ".dvc" / "cache"
        assert repo.config["cache"]["type"] == ["reflink", "hardlink", "symlink"]
        assert repo.config["remote"]["shop"]["url"] == "/mnt/zoë"
    assert (clone.folder / "data" / "results" / "convert" / "labels.csv").is_file()  # from the cache
    assert str(folder) not in (clone.folder / ".dvc" / "config.local").read_text(encoding="utf-8")


def test_a_shallow_clone_gives_its_trials_the_uncommitted_changes_too(tmp_path, monkeypatch):
    first = tmp_path / "first"
    first.mkdir()
    (first / "params.yaml").write_text("seed: 0\n")
    project_copy.git(first, "init", "--quiet")
    for _ in range(2):
        fast_project.commit(first, "one of two, of which a shallow clone has the last")
    project_copy.git(tmp_path, "clone", "--quiet", "--depth", "1", first.as_uri(), "shallow")
    monkeypatch.chdir(tmp_path / "shallow")
    Path("params.yaml").write_text("seed: 7\n")
    for role in ("AUTHOR", "COMMITTER"):  # for `git stash create`
        monkeypatch.setenv(f"GIT_{role}_NAME", "test")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "test@localhost")
    clone = workspace.Workspace(tmp_path / "clone", snapshot.take(Path("configs/sweep.yaml")))
    monkeypatch.setattr(clone, "_configure", lambda: None)  # there is no DVC
    clone.create()
    assert (clone.folder / "params.yaml").read_text() == "seed: 7\n"


@pytest.mark.slow
def test_an_experiment_is_applied_without_results_on_test_until_repro_makes_them(folder):
    shown = json.loads(project_copy.run(folder, "dvc", "exp", "show", "--json").stdout)
    trial = shown[-1]["experiments"][0]["revs"][0]
    assert trial["name"] == "tiny-001"
    assert "data/results/train/metrics.json" in trial["data"]["metrics"]
    assert trial["data"]["metrics"][METRICS.as_posix()] == {"data": {}}

    applied = project_copy.run(folder, "dvc", "exp", "apply", "tiny-001")
    assert applied.returncode == 0, applied.stdout
    assert (folder / "data/results/train/model/weights.txt").read_text(encoding="utf-8").endswith("1")
    assert (folder / DETECTIONS).read_text(encoding="utf-8") == workspace.UNEVALUATED
    assert json.loads((folder / METRICS).read_text(encoding="utf-8")) == {}
    assert "eval" not in dvc_lock.read_workspace().stages

    made = project_copy.run(folder, "dvc", "repro")
    assert made.returncode == 0, made.stdout
    assert "Running stage 'eval'" in made.stdout
    assert "Running stage 'train'" not in made.stdout
    assert "weights.txt" in (folder / DETECTIONS).read_text(encoding="utf-8")
