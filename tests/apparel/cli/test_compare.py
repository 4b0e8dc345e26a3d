import argparse
import json
import re
import shutil
from pathlib import Path

import pytest

from apparel import paths
from apparel.analysis import compare as analysis_compare
from apparel.analysis import compare_page, result_sets
from apparel.cli import compare
from apparel.errors import UserError
from apparel.inference import speed
from apparel.inference.speed import Speed
from tests.support import chromium, memory_bucket, project_copy


@pytest.fixture(scope="module")
def folder(two_results, tmp_path_factory):
    return shutil.copytree(two_results, tmp_path_factory.mktemp("compared") / "project")


@pytest.fixture
def run(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)

    def compared(*names, **options):
        given = {"html": None, "speed": False, "recorded": False, "threads": None} | options
        compare.main(argparse.Namespace(names=list(names), **given))
        return capsys.readouterr().out

    return compared


def test_two_commits(run, tmp_path):
    printed = run("HEAD~1", "workspace")
    rows = {line.split()[0]: line for line in printed.splitlines() if line.strip()}
    assert rows["Dresses"].endswith("better") and rows["Tops"].endswith("worse")
    assert "better" not in rows["Skirts"] and "worse" not in rows["Skirts"]
    assert re.search(r"train.learning_rate +0\.004 +0\.001", printed)
    assert "apparel/evaluation/metrics.py" in printed  # code that differs
    assert not Path("mlflow.db").exists()
    page = Path(printed.rpartition("pictures and more: ")[2].strip())
    content = page.read_text(encoding="utf-8")
    assert not re.findall(r"(?:src|href)=\"(?!data:)", content) and "<b>.png" not in content
    shown = chromium.dom(page, tmp_path)
    assert shown.count("<img") == 3 * compare_page.PICTURES
    assert "20 of 20 photos have a different outcome" in shown


def test_figures_are_those_that_eval_wrote(run, folder):
    written = json.loads(paths.METRICS.read_text(encoding="utf-8"))["test"]
    compared = analysis_compare.compare([result_sets.load("workspace", None)] * 2)
    figures = compared.table[compared.table["result"] == 0].set_index("class")["AP50"]
    assert figures.drop("all classes").to_dict() == pytest.approx(written["AP50"], abs=1e-6)
    assert figures["all classes"] == pytest.approx(written["mAP50"], abs=1e-6)


def test_missing_results_are_named(run, folder):
    with pytest.raises(UserError, match="'nothing' is no commit or experiment here and no run"):
        run("HEAD", "nothing")
    project_copy.git(folder, "checkout", "--quiet", "--orphan", "empty")
    try:
        project_copy.git(folder, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "e", "--", "params.yaml")
    finally:
        project_copy.git(folder, "checkout", "--quiet", "--force", "main")
    with pytest.raises(UserError, match=r"empty has no data/results/eval/detections\.csv"):
        run("HEAD", "empty")


@pytest.fixture
def timed(monkeypatch):
    """Replaces the timing: every model takes 5 ms. Returns the numbers of threads that were asked for."""
    threads_asked = []

    def measure(candidates, photos, threads, failed):
        assert len(photos) == 16
        threads_asked.append(threads)
        return {name: Speed("TensorFlow", "ssd", 300, 300, 2, {"one": [[0.005]]}, 10**8) for name in candidates}

    monkeypatch.setattr(speed, "measure", measure)
    return threads_asked


def test_speed_of_models_beside_their_accuracy(run, timed):
    printed = run("HEAD", "HEAD~1", speed=True, threads=1)
    rows = [line.split() for line in printed.splitlines() if "trained model" in line]
    accuracy = {row[row.index("trained") - 1]: row[row.index("300x300") + 1] for row in rows}
    written = json.loads(paths.METRICS.read_text(encoding="utf-8"))["test"]["mAP50"]
    assert accuracy.keys() == {"HEAD", "HEAD~1"} and accuracy["HEAD"] == f"{written:.3f}"
    assert all("5.00" in row for row in rows)
    assert timed == [1]
    page = Path(re.search("picture: (.+), numbers", printed).group(1))
    assert page.read_text(encoding="utf-8").count("<circle") == 2
    assert len(page.with_suffix(".csv").read_text(encoding="utf-8").splitlines()) == 3


def test_arguments_that_do_not_go_together_are_refused(run):
    with pytest.raises(UserError, match="at least two"):
        run("HEAD")
    with pytest.raises(UserError, match="are for --speed"):
        run("HEAD", "HEAD~1", recorded=True)
    with pytest.raises(UserError, match="can only be 1"):
        run("HEAD", speed=True, recorded=True, threads=3)
    with pytest.raises(UserError, match="'1234567' is no commit or experiment"):
        run("1234567", speed=True)


def test_pages_go_to_a_bucket(run, timed, monkeypatch):
    address = memory_bucket.make(monkeypatch)
    assert f"pictures and more: {address}/c.html" in run("HEAD~1", "workspace", html=f"{address}/c.html")
    said = run("workspace", speed=True, html=f"{address}/speed.html")
    assert f"picture: {address}/speed.html, numbers: {address}/speed.csv" in said
    assert sorted(memory_bucket.files(address)) == ["c.html", "speed.csv", "speed.html"]
