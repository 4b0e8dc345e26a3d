"""Remedies that delete or replace something keep what they say that they keep."""

import shutil
from pathlib import Path

import pytest

from tests.support import project_copy
from tests.support.repository import ROOT
from tests.support.three_stage_project import commit, dvc

pytestmark = pytest.mark.slow

MODEL = "data/results/train/model/weights.txt"
ROOM = "dvc gc --all-commits --all-experiments"


def run_with(folder: Path, seed: int) -> None:
    project_copy.set_params(folder / "params.yaml", train={"seed": seed})
    dvc(folder, "repro", "--quiet")


def test_room_on_the_disk_keeps_commits_experiments_and_the_workspace(three_stages_run, tmp_path):
    assert f"`{ROOM}`" in (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    folder = shutil.copytree(three_stages_run, tmp_path / "project")
    revisions = [project_copy.git(folder, "rev-parse", "HEAD").strip()]
    run_with(folder, 1)
    revisions.append(commit(folder, "another"))
    dvc(folder, "exp", "run", "--quiet", "-n", "tried", "-S", "train.seed=2")
    project_copy.git(folder, "restore", "params.yaml", "dvc.lock")
    run_with(folder, 3)  # neither committed nor an experiment, and then left
    run_with(folder, 4)  # in the workspace

    dvc(folder, *ROOM.split()[1:], "--force")

    (folder / "data" / "results" / "train" / "model" / "weights.txt").unlink()
    dvc(folder, "checkout", "--quiet", "train")
    assert (folder / MODEL).read_text(encoding="utf-8").endswith("4")
    experiment = project_copy.git(folder, "for-each-ref", "--format=%(objectname)", "refs/exps/*/*/tried").strip()
    for seed, revision in (("0", revisions[0]), ("1", revisions[1]), ("2", experiment)):
        copy = tmp_path / f"model-{seed}"
        dvc(folder, "get", "--quiet", "--rev", revision, ".", MODEL, "--out", str(copy))
        assert copy.read_text(encoding="utf-8").endswith(seed)
    run_with(folder, 3)  # gone from the cache, and made again
    assert (folder / MODEL).read_text(encoding="utf-8").endswith("3")


def test_edits_that_an_applied_experiment_replaced_come_back(three_stages_run, tmp_path):
    remedy = "git stash apply refs/exps/apply/stash"
    assert f"`{remedy}`" in (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    folder = shutil.copytree(three_stages_run, tmp_path / "project")
    dvc(folder, "exp", "run", "--quiet", "-n", "tried", "-S", "train.seed=2")
    project_copy.git(folder, "checkout", "--force", ".")
    edited = folder / "stages" / "work.py"
    text = edited.read_text(encoding="utf-8") + "# my edit\n"
    edited.write_text(text, encoding="utf-8")
    dvc(folder, "exp", "apply", "tried")
    assert edited.read_text(encoding="utf-8") != text
    project_copy.git(folder, "stash")
    project_copy.git(folder, *remedy.split()[1:])
    assert edited.read_text(encoding="utf-8") == text
