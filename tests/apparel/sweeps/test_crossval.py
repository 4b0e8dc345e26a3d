"""The driver of a cross-validation: what it runs, again after a failure or a kill, and what it tells MLflow."""

import json
import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from apparel import params, paths
from apparel.analysis import crossval_results
from apparel.errors import UserError
from apparel.evaluation import breakdown, evaluate, report
from apparel.sweeps import crossval, crossval_plan
from apparel.sweeps.snapshot import Snapshot
from apparel.tracking import local_runs
from apparel.utils import files, processes
from apparel.versioning import dvc_lock, git
from tests.support.box_tables import LEFT, photo_table, truth_table
from tests.support.repository import ROOT
from tests.support.result_sets import finds

CLASSES = ["Tops"]


class FakeWorkspace:
    """In place of the copy of the project: eval's files at once, for the photos of a fold."""

    ran: list[str] = []  # noqa: RUF012 - a new one for each test
    failing: str | None = None

    def __init__(self, folder, snapshot):
        self.folder = folder

    def create(self):
        self.folder.mkdir(parents=True, exist_ok=True)

    def repro(self, values, log, variables):
        assert variables[paths.PARENT_RUN_VARIABLE] == "parent"
        type(self).ran.append(values["split.fold"])
        if values["split.fold"] == self.failing:
            log.write(b"error: no room on the disk\nERROR: failed to reproduce\n")
            log.flush()
            return processes.guarded([sys.executable, "-c", "raise SystemExit(1)"])
        names = [f"{values['split.fold'][0]}-{number}.jpg" for number in range(4)]
        truth = truth_table(*((name, "Tops", LEFT) for name in names)).assign(width=100, height=100)
        tables = SimpleNamespace(photos=photo_table(names), ground_truth=truth, detections=finds(names[:3]))
        measured = evaluate.measure_split(tables, "val", CLASSES, {"Tops": 0.5})
        losses = {"val": breakdown.break_down(measured)}
        report.write_tables(measured, measured, losses, dict.fromkeys(names, "0" * 64))
        for path in (*crossval_results.KEPT, paths.HISTORY, paths.EVAL_PAGE):
            (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / path).write_bytes(path.read_bytes() if path.exists() else b"")
        files.write_text(self.folder / paths.MODEL / "weights", values["split.fold"])
        return processes.guarded([sys.executable, "-c", ""])

    def save(self, name, message, evaluated):
        assert evaluated
        return f"revision of {name}"


class Recorder:
    """In place of a run in MLflow."""

    def __init__(self, run):
        self.id, self.params, self.values, self.files, self.ended = run, {}, {}, [], None

    def __getattr__(self, name):
        return lambda *given, **named: None

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.finish()

    def log_params(self, values):
        self.params |= values

    def log_metrics(self, values):
        self.values |= values

    def log_file(self, path, folder=""):
        self.files.append(path.name)

    def finish(self):
        self.ended = "finished"

    def fail(self, reason):
        self.ended = reason

    def kill(self, stopped):
        self.ended = stopped


@pytest.fixture
def project(tmp_path, monkeypatch):
    """The plan of three folds, and the runs in MLflow."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(crossval_results, "CROSSVAL", tmp_path / "crossval")
    monkeypatch.setattr(FakeWorkspace, "ran", [])
    monkeypatch.setattr(FakeWorkspace, "failing", None)
    monkeypatch.setattr(crossval, "Workspace", FakeWorkspace)
    monkeypatch.setattr(crossval, "SECONDS_BETWEEN_POLLS", 0.02)
    monkeypatch.setattr(local_runs, "model_record", lambda model: tmp_path / "none")
    monkeypatch.setattr(git, "commit", lambda name: name)
    lock = SimpleNamespace(stages={"train": None}, deps=lambda name: {"stages/train.py": "0", "data/demo/photos": "1"})
    monkeypatch.setattr(dvc_lock, "read_commit", lambda revision: lock)
    for name in ("tags", "data"):
        monkeypatch.setattr(crossval.provenance, name, lambda config: {})
    told = []

    def start_run(config, name, parent=None):
        told.append(Recorder("parent" if parent is None else name))
        return told[-1]

    monkeypatch.setattr(crossval.runs, "start_run", start_run)
    monkeypatch.setattr(crossval.runs, "attach_run", lambda run, config: start_run(config, run))
    config = params.load(ROOT / "params.yaml")
    plan = crossval_plan.Plan("cv", config, {}, 3, (0,), False, Snapshot("c", "s", "tree"))
    return SimpleNamespace(plan=plan, told=told)


def test_each_fold_runs_once_and_a_second_start_runs_none(project):
    result = crossval.run(project.plan)
    assert FakeWorkspace.ran == ["1/3", "2/3", "3/3"]
    assert len(result.pooled.photos) == 12 and result.pooled.per_class.loc["Tops", "boxes"] == 12
    parent, *children = project.told
    assert [child.id for child in children] == ["cv-s0-f1", "cv-s0-f2", "cv-s0-f3"]
    assert children[0].values["fold/mAP50"] == pytest.approx(0.75)
    assert parent.values["crossval/AP50/Tops"] == pytest.approx(0.75) and "crossval/sd_folds" in parent.values
    assert {"summary.json", "detections.csv", "folds.csv"} <= set(parent.files) and parent.ended == "finished"
    summary = json.loads((crossval_results.folder("cv") / "summary.json").read_text(encoding="utf-8"))
    assert summary["params"]["split.fold"] == "3 folds" and summary["data"] == {"data/demo/photos": "1"}
    assert not (crossval_results.folder("cv") / "copy").exists()
    crossval.run(project.plan)
    assert len(FakeWorkspace.ran) == 3


def test_after_a_failure_the_same_command_runs_what_is_left(project, monkeypatch):
    monkeypatch.setattr(FakeWorkspace, "failing", "2/3")
    with pytest.raises(UserError, match=r"fold 2 with train\.seed 0 failed: error: no room on the disk"):
        crossval.run(project.plan)
    assert "no room" in project.told[0].ended
    monkeypatch.setattr(FakeWorkspace, "failing", None)
    crossval.run(project.plan)
    assert FakeWorkspace.ran == ["1/3", "2/3", "2/3", "3/3"]
    assert project.told[-1].ended == "finished"


def test_what_a_killed_one_left_is_run_again(project):
    first, second, _ = project.plan.trainings()
    (crossval_results.folder("cv") / "copy" / "half").mkdir(parents=True)
    for training, left in ((first, "{"), (second, '{"tree": "of other code", "revision": "c"}')):
        files.write_text(project.plan.folder_of(training) / crossval_plan.RECORD, left)
    crossval.run(project.plan)
    assert FakeWorkspace.ran == ["1/3", "2/3", "3/3"]


def test_a_summary_goes_once_a_training_that_it_counts_on_is_replaced(project, monkeypatch):
    crossval.run(project.plan)
    summary = crossval_results.folder("cv") / "summary.json"
    monkeypatch.setattr(FakeWorkspace, "failing", "2/3")
    two_seeds = replace(project.plan, seeds=(0, 1))
    with pytest.raises(UserError, match="fold 2"):
        crossval.run(two_seeds)
    assert summary.exists() and len(crossval_results.load("cv").photos) == 12  # seed 0 stays as it was
    of_other_code = replace(project.plan, snapshot=Snapshot("c", "s", "another tree"))
    with pytest.raises(UserError, match="fold 2"):
        crossval.run(of_other_code)
    assert not summary.exists()


def test_another_value_under_the_same_name_is_trained_and_is_a_run_of_its_own(project):
    crossval.run(project.plan)
    crossval.run(replace(project.plan, values={"train.epochs": 2}))
    assert FakeWorkspace.ran == 2 * ["1/3", "2/3", "3/3"]
    crossval.run(replace(project.plan, values={"train.epochs": 2}, folds=4))
    assert FakeWorkspace.ran[6:] == ["1/4", "2/4", "3/4", "4/4"]
    new = [run for run in project.told if run.id == "parent"]
    assert len(new) == 3 and all(run.ended == "finished" for run in new)
    crossval.run(replace(project.plan, values={"train.epochs": 2}, folds=4, seeds=(0, 1)))
    assert FakeWorkspace.ran[10:] == ["1/4", "2/4", "3/4", "4/4"]  # the first seed stays
    assert len(crossval_results.load("cv").photos) == 32


def test_added_seeds_are_counted_in_the_run_where_no_parameter_keeps_their_first_number(project):
    crossval.run(project.plan)
    first = project.told[0]
    assert first.values["crossval/seeds"] == 1 and first.params["crossval.folds"] == 3
    assert "crossval.seeds" not in first.params
    crossval.run(replace(project.plan, seeds=(0, 1, 2)))
    (again,) = [run for run in project.told[1:] if run.id == "parent"]
    assert again.values["crossval/seeds"] == 3 and again.params == {}


def test_ctrl_c_ends_the_training_and_says_how_to_go_on(project, monkeypatch):
    started = []

    @contextmanager
    def interrupted(self, *given):
        with processes.guarded([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
            started.append(process)
            yield process

    def stop(seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr(FakeWorkspace, "repro", interrupted)
    monkeypatch.setattr(crossval.time, "sleep", lambda seconds: stop(seconds) if seconds == 0.02 else None)
    with pytest.raises(KeyboardInterrupt):
        crossval.run(project.plan)
    assert started[0].poll() is not None and project.told[0].ended == crossval.INTERRUPTED
    assert Path(crossval_results.folder("cv") / "run").read_text(encoding="utf-8").endswith(" parent")
