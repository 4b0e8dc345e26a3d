"""The real thing, small: `dvc repro` in a copy of the project, and what a user would look at afterwards."""

import csv
import json
import re

import pytest

from tests.support import project_copy

SETTINGS = {
    "tfrecord": {"photos_per_shard": 20},
    "train": {"resolution": 96, "batch_size": 8, "steps": 60, "validate_every": 5},
    "eval": {"pictures": 2},
}
PHOTOS = {"photos": 60, "photos_without_garment": 3, "size": 128}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A copy with few photos and few steps."""
    folder = project_copy.copy(tmp_path_factory.mktemp("small"))
    project_copy.set_params(folder / "params.yaml", **SETTINGS)
    project_copy.set_params(folder / "data" / "demo" / "params.yaml", draw=PHOTOS)
    project_copy.git(folder, "-c", "user.name=test", "-c", "user.email=test@localhost", "commit", "-qam", "small")
    return folder


@pytest.fixture(scope="module")
def ran(small):
    """The copy after one `dvc repro`, and what that printed."""
    done = project_copy.run(small, "dvc", "repro")
    assert done.returncode == 0, done.stdout
    return small, done.stdout


@pytest.fixture(scope="module")
def metrics(ran):
    return json.loads((ran[0] / "data/results/eval/metrics.json").read_text(encoding="utf-8"))


def test_printed_is_what_metrics_json_holds(ran, metrics):
    table = {line.split()[0]: line.split() for line in ran[1].splitlines() if line.strip()}
    for name, value in metrics["test"]["AP50"].items():
        assert f"{value:.3f}" in table[name]
    assert f"{metrics['test']['mAP50']:.3f}" in table["all"]


def test_something_was_learned(ran):
    with (ran[0] / "data/results/train/history.csv").open(encoding="utf-8", newline="") as file:
        losses = [float(row["train/loss"]) for row in csv.DictReader(file)]
    assert len(losses) > 1
    assert losses[-1] < 0.8 * losses[0]


def per_class(ran):
    """The last row of each split in eval's table."""
    with (ran[0] / "data/results/eval/per_class.csv").open(encoding="utf-8", newline="") as file:
        return {row["split"]: row for row in csv.DictReader(file) if row["class"] == "all classes"}


def test_eval_measures_the_weights_that_train_kept(ran):
    kept = json.loads((ran[0] / "data/results/train/val.json").read_text(encoding="utf-8"))
    assert kept["val"]["mAP50"] == pytest.approx(float(per_class(ran)["val"]["AP50"]), abs=1e-6)
    assert kept["val"]["mAP50"] > 0


def test_every_photo_is_in_one_split_and_scored(ran):
    index = json.loads((ran[0] / "data/results/tfrecord/index.json").read_text(encoding="utf-8"))["splits"]
    assert sum(split["photos"] for split in index.values()) == PHOTOS["photos"]
    for split in ("val", "test"):
        assert int(per_class(ran)[split]["photos"]) == index[split]["photos"]


def test_model_loads(ran, metrics):
    from apparel.models.detector import load_detector

    model = load_detector(ran[0] / "data/results/train/model")
    assert list(model.classes) == list(metrics["test"]["AP50"])
    assert model.resolution == SETTINGS["train"]["resolution"]


def test_mlflow_holds_the_run(ran, metrics):
    from mlflow import MlflowClient

    project_copy.sync(ran[0])
    client = MlflowClient(f"sqlite:///{ran[0] / 'mlflow.db'}")
    runs = client.search_runs([experiment.experiment_id for experiment in client.search_experiments()])
    assert [run.info.status for run in runs] == ["FINISHED"]
    for name, value in metrics["test"]["AP50"].items():
        assert runs[0].data.metrics[f"test/AP50/{name}"] == pytest.approx(value, abs=1e-4)
    assert runs[0].data.params["train.resolution"] == "96"
    assert runs[0].data.tags["git.dirty"] == "false"


@pytest.mark.slow
def test_tensorboard_reads_the_curves_of_train_and_val(ran):
    listed = project_copy.run(ran[0], "tensorboard.main", "--inspect", "--logdir", ".apparel/tensorboard").stdout
    assert re.search(r"tensorboard/[0-9a-f]{7} ssd_mobilenet_v1 96 [0-9a-f]{8}/train:", listed)
    train, val = listed.split("/val:", 1)
    assert "classification_loss" in train and "learning_rate" in train
    assert "AP50/Dresses" in val and "mAP50" in val


def test_git_sees_the_locks_and_the_metrics_only(ran):
    status = project_copy.git(ran[0], "status", "--porcelain", "--untracked-files=all")
    assert sorted(line.removeprefix("?? ") for line in status.splitlines()) == [
        "data/demo/dvc.lock",
        "data/results/eval/metrics.json",
        "data/results/train/val.json",
        "dvc.lock",
    ]


def test_a_second_repro_does_nothing(ran):
    lock = (ran[0] / "dvc.lock").read_bytes()
    done = project_copy.run(ran[0], "dvc", "repro")
    assert "Data and pipelines are up to date." in done.stdout
    assert "Running stage" not in done.stdout
    assert (ran[0] / "dvc.lock").read_bytes() == lock


def test_plots_name_columns_that_exist(ran):
    done = project_copy.run(ran[0], "dvc", "plots", "show")
    assert done.returncode == 0
    assert "WARNING" not in done.stdout
    assert "error" not in done.stdout.lower()


@pytest.mark.slow
def test_params_back_to_what_they_were_take_all_from_the_cache(ran):
    lock = (ran[0] / "dvc.lock").read_bytes()
    project_copy.set_params(ran[0] / "params.yaml", split={"seed": 1})
    assert project_copy.run(ran[0], "dvc", "repro", "split").returncode == 0
    assert (ran[0] / "dvc.lock").read_bytes() != lock
    project_copy.set_params(ran[0] / "params.yaml", split={"seed": 0})
    done = project_copy.run(ran[0], "dvc", "repro")
    # `check` runs for every change of a parameter.
    assert [line for line in done.stdout.splitlines() if line.startswith("> ")] == ["> python -m stages.check"]
    assert (ran[0] / "dvc.lock").read_bytes() == lock


def test_demo_is_drawn_only_when_asked_for(tmp_path):
    folder = project_copy.copy(tmp_path)
    for part in ("photos", "annotations", "lists"):
        (folder / "data" / "mine" / part).mkdir(parents=True)
        (folder / "data" / "mine" / part / "one.txt").write_text("one", encoding="utf-8")
    assert "data/demo" in project_copy.run(folder, "dvc", "repro", "--dry").stdout
    project_copy.set_params(folder / "params.yaml", data={"name": "mine"})
    planned = project_copy.run(folder, "dvc", "repro", "--dry").stdout
    assert "'convert'" in planned
    assert "data/demo" not in planned
