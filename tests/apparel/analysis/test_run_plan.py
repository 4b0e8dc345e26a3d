"""What will run, and for how long, is told from dvc.lock, `dvc status` and the durations of this clone."""

import pytest

from apparel import params
from apparel.analysis import run_plan
from apparel.analysis.recipes import merge
from apparel.tracking import local_runs
from apparel.tracking.local_runs import FinishedTraining
from apparel.utils import yaml
from apparel.versioning import durations, dvc_lock, dvc_yaml
from apparel.versioning.dvc_lock import Lock
from tests.support.repository import ROOT

STAGES = ["check", "convert", "split", "tfrecord", "train", "eval"]


@pytest.fixture
def ran(monkeypatch):
    """Everything is up to date for params.yaml; returns what `dvc status` says, which a test may change."""
    monkeypatch.chdir(ROOT)
    config = params.load()
    pipeline = dvc_yaml.read_stages(yaml.load(ROOT / "dvc.yaml"), config.model_dump())
    stages = {}
    for name, stage in pipeline.items():
        entries = [next(iter(out)) if isinstance(out, dict) else out for out in stage["outs"]]
        values = {
            key: value for key, value in config.flat().items() if {key, key.partition(".")[0]} & set(stage["params"])
        }
        stages[name] = {
            "deps": [{"path": run_plan._filled_in(dep, config), "md5": "0" * 32} for dep in stage["deps"]],
            "outs": [{"path": path, "md5": "0" * 32} for path in entries],
            "params": {"params.yaml": values},
        }
    status: dict = {}
    monkeypatch.setattr(dvc_lock, "read_workspace", lambda: Lock(None, stages))
    monkeypatch.setattr(run_plan, "dvc_status", lambda: status)
    return status


def changed(**sections: dict) -> params.Params:
    return params.parse(merge(params.load().model_dump(mode="json"), sections))


def test_nothing_runs_where_all_is_up_to_date(ran):
    assert run_plan.stages_to_run(changed()) == []
    assert run_plan.stages_to_run(changed(), force=True) == STAGES


def test_a_parameter_runs_the_stages_that_read_it_and_those_after(ran):
    assert run_plan.stages_to_run(changed(train={"epochs": 3})) == ["check", "train", "eval"]
    assert run_plan.stages_to_run(changed(eval={"pictures": 1})) == ["check", "eval"]
    assert run_plan.stages_to_run(changed(split={"test_fraction": 0.3})) == [
        "check",
        "split",
        "tfrecord",
        "train",
        "eval",
    ]
    assert run_plan.stages_to_run(changed(data={"name": "shop"})) == STAGES
    exported = run_plan.stages_to_run(changed(export={"formats": ["onnx", "tflite"]}))
    assert exported == ["check", "export@onnx", "export@tflite"]


def test_a_file_that_changed_runs_the_stages_that_read_it_and_those_after(ran):
    ran["tfrecord"] = [{"changed deps": {"apparel/data/shards.py": "modified"}}]
    assert run_plan.stages_to_run(changed()) == ["tfrecord", "train", "eval"]
    ran["tfrecord"] = [
        {"changed deps": {"params.yaml": {"split.seed": "modified"}}}
    ]  # a value that this run changes back
    assert run_plan.stages_to_run(changed()) == []
    ran["eval"] = [{"changed outs": {"data/results/eval/pictures": "deleted"}}]
    assert run_plan.stages_to_run(changed()) == ["eval"]


def test_the_time_is_that_of_the_last_training_by_its_steps_pixels_and_batch(ran, monkeypatch):
    monkeypatch.setattr(durations, "read", lambda: {"eval": 30.0})
    monkeypatch.setattr(run_plan, "training_photos", lambda config, stages: 320)
    settings = {"train.batch_size": "16", "train.resolution": "160", "train.depth_multiplier": "0.25"}
    monkeypatch.setattr(local_runs, "last_training", lambda: FinishedTraining(600, 1200, settings))
    seconds, judged_by = run_plan.expected_seconds(changed(train={"epochs": 30}), ["train", "eval"])
    assert seconds == pytest.approx(30 + 300)  # 30 epochs of 20 steps
    assert judged_by == "600 steps; the last training took 10 min for 1,200"
    doubled = changed(train={"epochs": 30, "resolution": 320, "batch_size": 32})
    assert run_plan.expected_seconds(doubled, ["train"])[0] == pytest.approx(300 * 4)
    teaches = {"teacher": "mean", "unlabelled_ratio": 0.5, "moving_average": 0.9}
    taught = changed(train={"epochs": 30} | teaches, data={"unlabelled": "shop"})
    assert run_plan.expected_seconds(taught, ["train"])[0] == pytest.approx(300 * 1.5)
    assert run_plan.expected_seconds(changed(), ["eval"]) == (30.0, "as long as they took the last time")


def test_before_the_first_training_the_time_is_that_of_the_recipe_six(ran, monkeypatch):
    monkeypatch.setattr(durations, "read", dict)
    monkeypatch.setattr(local_runs, "last_training", lambda: None)
    monkeypatch.setattr(run_plan, "training_photos", lambda config, stages: 699)
    six = changed(train={"epochs": 40, "resolution": 300, "depth_multiplier": 0.75})
    seconds, judged_by = run_plan.expected_seconds(six, ["train"])
    assert seconds == pytest.approx(30 * 60, rel=0.02)
    assert "nothing was trained in this clone yet" in judged_by


@pytest.mark.parametrize(("seconds", "text"), [(59.6, "60 s"), (600, "10 min"), (7260, "2.0 hours")])
def test_durations_read_as_a_person_says_them(seconds, text):
    assert run_plan.duration_text(seconds) == text


@pytest.mark.parametrize(("fold", "photos"), [(None, 6), ("1/4", 6), ("2/2", 4)])
def test_photos_of_a_published_list_are_counted(tmp_path, monkeypatch, fold, photos):
    """Those of the list that are there, less what becomes val or another fold."""
    monkeypatch.chdir(tmp_path)
    for name in [f"{number}.jpg" for number in range(10)]:
        (tmp_path / "data/shop/photos").mkdir(parents=True, exist_ok=True)
        (tmp_path / "data/shop/photos" / name).touch()
    (tmp_path / "data/shop/lists").mkdir()
    listed = "filename\n" + "".join(f"{number}.jpg\n" for number in range(8))
    (tmp_path / "data/shop/lists/train.csv").write_text(listed, encoding="utf-8")
    split = {"train_list": "train.csv", "val_fraction": 0.25, "fold": fold}
    values = yaml.load(ROOT / "params.yaml")
    config = params.parse(merge(values, {"data": {"name": "shop"}, "split": split}))
    assert run_plan.training_photos(config, STAGES) == photos
