import hashlib
import json

import pytest
import yaml

from apparel import paths
from apparel.analysis import experiments
from apparel.analysis.experiments import Result
from tests.support import project_copy
from tests.support.repository import ROOT


def write_results(folder, mAP50, split="test", **train):
    """Results of eval, and the dvc.lock that DVC would have written."""
    metrics = json.dumps({split: {"mAP50": mAP50, "mAP50_low": 0.1, "mAP50_high": None}}).encode()
    (folder / paths.METRICS).parent.mkdir(parents=True, exist_ok=True)
    (folder / paths.METRICS).write_bytes(metrics)
    stage = {
        "cmd": "python -m stages.eval",
        "deps": [{"path": "data/x", "md5": "0" * 32}],
        "params": {"params.yaml": {"train": train, "data": {"classes": ["Tops", "Skirts"]}}},
        "outs": [{"path": paths.METRICS.as_posix(), "md5": hashlib.md5(metrics, usedforsecurity=False).hexdigest()}],
    }
    (folder / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": {"eval": stage}}), encoding="utf-8")


def commit(folder, message, date):
    author = ("-c", "user.name=a", "-c", "user.email=a@b")
    project_copy.git(folder, "add", "--all", "--force")
    project_copy.git(folder, *author, "commit", "--quiet", "--allow-empty", "--message", message, f"--date={date}")
    return project_copy.git(folder, "rev-parse", "HEAD").strip()


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"):
        monkeypatch.setenv(name, "2026-01-02T03:04:05Z")
    project_copy.git(tmp_path, "init", "--quiet", "--initial-branch=main")
    (tmp_path / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    return tmp_path


def test_each_commit_and_experiment_with_results_is_a_line(project, monkeypatch):
    write_results(project, 0.4, epochs=60)
    first = commit(project, "first", "2026-01-02")
    (project / "notes").write_text("no results of its own", encoding="utf-8")
    commit(project, "notes", "2026-01-03")
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2026-01-04T00:00:00Z")
    write_results(project, 0.7, epochs=90)
    tip = commit(project, "an experiment", "2026-01-04")
    project_copy.git(project, "update-ref", f"refs/exps/{first[:2]}/{first[2:]}/longer", tip)
    project_copy.git(project, "reset", "--quiet", "--hard", "HEAD~1")
    write_results(project, 0.5, epochs=61)
    found = experiments.find_results()
    assert [(result.name, result.date, result.mAP50) for result in found] == [
        ("workspace", "", 0.5),
        ("longer", "2026-01-04", 0.7),
        (first[:7], "2026-01-02", 0.4),
    ]
    assert found[1].values == {"data.classes": "Tops,Skirts", "train.epochs": "90"}
    assert found[1].low == 0.1 and found[1].high != found[1].high


def test_metrics_that_dvc_did_not_record_and_damaged_ones_are_no_results(project):
    write_results(project, 0.4, epochs=60)
    (project / paths.METRICS).write_text('{"test": {"mAP50": 0.99}}', encoding="utf-8")
    commit(project, "edited by hand", "2026-01-02")
    (project / "dvc.lock").write_text("[", encoding="utf-8")
    commit(project, "damaged", "2026-01-03")
    (project / "dvc.lock").unlink()
    (project / paths.METRICS).unlink()
    assert experiments.find_results() == []


def test_results_of_a_fold_are_of_val(project):
    write_results(project, 0.4, split="val", epochs=60)
    assert [(result.name, result.mAP50, result.split) for result in experiments.find_results()] == [
        ("workspace", 0.4, "val")
    ]


def test_lines_fit_the_terminal_and_name_what_differs():
    here = {"train.epochs": "60", "train.seed": "0", "train.resolution": "300"}
    values = here | {"train.epochs": "90", "train.seed": "7", "train.resolution": "512"}
    results = [Result("six", "2026-01-02", 0.56, 0.62, float("nan"), values), Result("workspace", "", 0, 0.5, 1, here)]
    text = experiments.terminal_text(results, here, 400).splitlines()
    assert text[1] == "six        2026-01-02  0.620  0.560–-       train.epochs=90, train.resolution=512, train.seed=7"
    assert text[2] == "workspace              0.500  0.000–1.000"
    narrow = experiments.terminal_text(results, here, 80).splitlines()
    assert narrow[1].endswith("train.epochs=90 and 2 more") and len(narrow[1]) <= 80
    assert Result("a", "", 0, 0, 0, {"new": "1"}).differences({"old": "2"}) == ["new=1", "old=?"]
