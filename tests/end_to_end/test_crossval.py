"""Cross-validations on few drawn photos with few steps: one killed and continued, one from the cache, one of all
photos, and the comparison of two."""

import json
import os
import signal
import time

import pandas as pd
import pytest

from apparel.tracking.server import LOCAL_SERVER, connect
from tests.support import project_copy, sweep_project

pytestmark = pytest.mark.slow

SETTINGS = {
    "data": {"classes": ["Dresses", "Pants_Leggings", "Tops"]},  # the others are on too few photos for two folds
    "tfrecord": {"photos_per_shard": 20},
    "train": {"resolution": 64, "batch_size": 8, "steps": 4, "validate_every": 1},
    "eval": {"pictures": 1},
}
PHOTOS = {"photos": 40, "photos_without_garment": 2, "size": 96}
FOLDS = 2


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The copy after three cross-validations, and what each printed."""
    folder = project_copy.copy(tmp_path_factory.mktemp("crossval") / "project")
    project_copy.set_params(folder / "params.yaml", **SETTINGS)
    project_copy.set_params(folder / "data" / "demo" / "params.yaml", draw=PHOTOS)
    project_copy.git(folder, "config", "user.name", "test")
    project_copy.git(folder, "config", "user.email", "test@localhost")
    project_copy.git(folder, "commit", "--quiet", "--all", "--message", "small")
    kill_in_second_fold(folder)
    printed = {name: cross_validate(folder, "-n", name, *extra) for name, *extra in (("cv",), ("again",))}
    printed["whole"] = cross_validate(folder, "-n", "whole", "--all", "-S", "train.steps=2")
    project_copy.sync(folder)
    return folder, printed


def cross_validate(folder, *arguments):
    done = project_copy.run(folder, "apparel", "crossval", "--folds", str(FOLDS), *arguments)
    assert done.returncode == 0, done.stdout
    return done.stdout


def kill_in_second_fold(folder):
    """kill -9 of the command while its second training runs; the first is recorded."""
    second = folder / ".apparel" / "crossval" / "cv" / "trainings" / "seed-0-fold-2" / "log.txt"
    with (folder / "killed.log").open("wb") as log:
        process = sweep_project.start_module(folder, "apparel", "crossval", "--folds", str(FOLDS), "-n", "cv", log=log)
        while not (second.exists() and b"stages.train" in second.read_bytes()):
            assert process.poll() is None, (folder / "killed.log").read_text(encoding="utf-8")
            time.sleep(0.2)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def table(folder, name, file):
    return pd.read_csv(folder / ".apparel" / "crossval" / name / f"{file}.csv")


def summary(folder, name):
    return json.loads((folder / ".apparel" / "crossval" / name / "summary.json").read_text(encoding="utf-8"))


def test_a_killed_one_goes_on_with_the_folds_that_are_left(project):
    folder, printed = project
    assert "finished 1;" in printed["cv"]
    assert "mAP50 of the 2 trainings" in printed["cv"] and "95% interval" in printed["cv"]
    assert table(folder, "cv", "folds")["experiment"].tolist() == ["cv-s0-f1", "cv-s0-f2"]


def test_every_photo_that_is_not_test_is_judged_once(project):
    folder, _ = project
    photos, detections = table(folder, "cv", "photos"), table(folder, "cv", "detections")
    assert photos["filename"].is_unique and len(photos) == table(folder, "cv", "folds")["photos"].sum()
    assert len(photos) < len(table(folder, "whole", "photos")) == PHOTOS["photos"]
    assert not (folder / "data" / "results").exists()  # the working tree is not touched
    assert set(detections["filename"]) <= set(photos["filename"]) and set(detections["fold"]) <= {1, 2}
    pooled = summary(folder, "cv")["pooled"]
    assert pooled["mAP50_low"] <= pooled["mAP50"] <= pooled["mAP50_high"]


def test_an_equal_one_comes_from_the_cache(project):
    folder, _ = project
    assert summary(folder, "again")["pooled"] == summary(folder, "cv")["pooled"]
    logs = [
        path.read_text(encoding="utf-8") for path in (folder / ".apparel/crossval/again").glob("trainings/*/log.txt")
    ]
    assert len(logs) == FOLDS and not any("Running stage 'train'" in log for log in logs)


def test_trainings_are_runs_below_that_of_the_cross_validation(project, monkeypatch):
    folder, _ = project
    monkeypatch.chdir(folder)
    client = connect(LOCAL_SERVER)
    found = client.search_runs([each.experiment_id for each in client.search_experiments()])
    by_name = {run.info.run_name: run for run in found}
    for name in ("cv", "again", "whole"):
        parent = by_name[f"crossval {name}"]
        pooled = summary(folder, name)["pooled"]["mAP50"]
        assert parent.data.metrics["crossval/AP50/all classes"] == pytest.approx(pooled, abs=1e-6)
        children = [run for run in found if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
        assert len(children) == FOLDS and all("fold/mAP50" in run.data.metrics for run in children)
        assert {run.info.status for run in [parent, *children]} == {"FINISHED"}
        files = {file.path for file in client.list_artifacts(parent.info.run_id, "crossval")}
        assert {"crossval/detections.csv", "crossval/folds.csv", "crossval/summary.json"} <= files


def test_two_are_compared_paired_by_photo(project):
    folder, _ = project
    done = project_copy.run(folder, "apparel", "compare", "cv", "whole")
    assert done.returncode == 0, done.stdout
    judged = len(table(folder, "cv", "photos"))
    assert f"{judged} photos" in done.stdout and "train.steps" in done.stdout


def test_finished_ones_are_an_ensemble_without_a_training(project):
    folder, _ = project
    fused = project_copy.run(folder, "apparel", "crossval", "--fuse", "cv", "again", "-n", "both")
    assert fused.returncode == 0, fused.stdout
    assert "compare: apparel compare both OTHER" in fused.stdout
    assert summary(folder, "both")["params"]["crossval.fused"] == "cv, again"
    assert set(table(folder, "both", "photos")["filename"]) == set(table(folder, "cv", "photos")["filename"])
    compared = project_copy.run(folder, "apparel", "compare", "cv", "both")
    assert compared.returncode == 0 and "crossval.fused" in compared.stdout, compared.stdout
