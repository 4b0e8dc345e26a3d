"""Evaluation of an ensemble of stand-ins on TFRecords: tables, page, MLflow, and `apparel compare` after it."""

import json
from types import SimpleNamespace

import pytest

from apparel import params, paths
from apparel.analysis import ensemble_eval, ensembles
from apparel.errors import UserError
from apparel.tracking import local_runs
from apparel.versioning import dvc_lock
from tests.support import tiny_detector
from tests.support.ensembles import network, use, write
from tests.support.repository import ROOT

CLASSES = tiny_detector.CLASSES


class Recorder:
    """In place of a run in MLflow."""

    id = "run-1"

    def __init__(self):
        self.values, self.params, self.files = {}, {}, []

    def __getattr__(self, name):
        return lambda *given, **named: None

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def log_metrics(self, values):
        self.values |= values

    def log_params(self, params):
        self.params |= params

    def log_file(self, path, folder=""):
        self.files.append(path.name)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """TFRecords of 6 photos of val and one of test, two members, and the runs in MLflow that were opened."""
    monkeypatch.chdir(tmp_path)
    use(monkeypatch, six=network("1", CLASSES, 64), lite=network("2", CLASSES, 48))
    deps = {"convert": ("data/demo/photos", "1"), "train": ("data/pretrained/coco", "2")}
    stages = {name: {"deps": [{"path": path, "md5": md5}]} for name, (path, md5) in deps.items()}
    monkeypatch.setattr(dvc_lock, "read_workspace", lambda: dvc_lock.Lock(None, stages))
    monkeypatch.setattr(ensemble_eval.provenance, "tags", lambda config: {})
    monkeypatch.setattr(local_runs, "mlflow_id", lambda run: None)
    opened = []

    def start_run(config, name):
        opened.append(Recorder())
        return opened[-1]

    monkeypatch.setattr(ensemble_eval.runs, "start_run", start_run)
    monkeypatch.setattr(ensemble_eval.runs, "attach_run", lambda run, config: opened[-1])
    path = write("members: [{model: six, mirrored: true}, {model: lite}]")
    index = tiny_detector.records(tmp_path)
    config = params.load(ROOT / "params.yaml")
    return SimpleNamespace(path=path, index=index, config=config, opened=opened)


def evaluate(project, judged="test"):
    loaded = ensembles.load(project.path)
    detected = ensemble_eval.detect(loaded, project.index, list(dict.fromkeys(["val", judged])))
    evaluation = ensemble_eval.measure(loaded, detected, judged)
    return evaluation, ensemble_eval.write(loaded, evaluation, project.index, project.config)


def test_an_evaluation_has_the_files_of_the_stage_eval_and_members_beside(project):
    evaluation, page = evaluate(project)
    folder = ensemble_eval.folder("two")
    assert all((folder / path.name).is_file() for path in paths.EVAL_FILES)
    assert not paths.EVAL.exists()
    # The stand-ins find something bright on every photo with one score, and half of the photos have it.
    assert evaluation.val.per_class.loc["bright", "AP50"] == pytest.approx(0.5)
    assert evaluation.members["val"].tolist() == [evaluation.val.per_class.loc["all classes", "AP50"]] * 2
    assert evaluation.ms > evaluation.members["ms"].sum() > 0
    text = page.read_text(encoding="utf-8")
    assert "Ensemble two of 2 models" in text and "<h2>Members</h2>" in text and "The training: loss" not in text
    told = ensemble_eval.terminal_text(evaluation)
    assert "ms a photo" in told and "test mAP50" in told and "six" in told and "lite" in told
    assert set(project.opened[0].files) == {"members.csv", *(path.name for path in paths.EVAL_FILES)}
    assert project.opened[0].values["val/mAP50"] == pytest.approx(evaluation.val.per_class.loc["all classes", "AP50"])
    assert {"mAP50", "test/mAP50", "test/seconds_per_photo"} <= set(project.opened[0].values)
    evaluate(project)
    assert len(project.opened) == 1


def test_val_alone_can_be_judged(project):
    evaluation, page = evaluate(project, "val")
    assert "test" not in json.loads((page.parent / "metrics.json").read_text(encoding="utf-8"))
    told = ensemble_eval.terminal_text(evaluation)
    assert "val mAP50" in told and told.count(" on val") == 1
    assert not any("test" in name for name in project.opened[0].values)


def test_compare_finds_an_evaluation_by_the_ensembles_name(project):
    evaluate(project, "val")
    results, _ = ensemble_eval.find_results(["two", "two"], reader=None)
    assert len(results.photos) == 6 and set(results.thresholds) == set(CLASSES)
    assert results.params["ensemble.members"] == "six mirrored, lite" and results.data == {"data/demo/photos": "1"}
    assert not [key for key in results.params if key.startswith(("train.", "export."))]  # those of another model
    assert results.params["split.seed"] == "0"
    assert project.opened[0].params["ensemble.models"] == results.params["ensemble.models"] == "1, 2"
    (ensemble_eval.folder("two") / "ensemble.json").write_text("{}", encoding="utf-8")
    with pytest.raises(UserError, match="damaged; run `apparel ensemble eval two` again"):
        ensemble_eval.find_results(["two", "two"], reader=None)


def test_records_of_other_classes_are_refused(project, monkeypatch):
    use(monkeypatch, six=network("1"), lite=network("2"))
    with pytest.raises(UserError, match=r"TFRecords have the classes bright, dark, its members bright, dim"):
        evaluate(project)
