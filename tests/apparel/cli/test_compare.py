import argparse
import re
import shutil
from pathlib import Path

import pytest

from apparel import paths
from apparel.analysis import compare as analysis_compare
from apparel.analysis import compare_page, result_sets
from apparel.cli import compare
from apparel.errors import UserError
from apparel.tracking.reader import StoredRun
from tests.support import chromium, measured_project, project_copy

NAMES = [f"{number} <b>.png" for number in range(20)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A project with two commits' results, and others' in the workspace."""
    folder = tmp_path_factory.mktemp("compared")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        measured_project.new(folder)
        measured_project.write(NAMES, {"Dresses": 0.0, "Skirts": 0.6, "Tops": 1.0})
        measured_project.commit(folder, "first")
        project_copy.set_params(folder / "params.yaml", train={"learning_rate": 0.001})
        (folder / "apparel" / "evaluation" / "metrics.py").write_text("changed = True\n", encoding="utf-8")
        measured_project.write(NAMES, {"Dresses": 1.0, "Skirts": 0.6, "Tops": 0.0}, seed=1)
        measured_project.commit(folder, "second")
    return folder


@pytest.fixture
def run(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)

    def compared(first, *others):
        compare.main(argparse.Namespace(first=first, others=others, html=None))
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


def test_photos_that_are_gone_from_the_workspace_come_from_the_commit(run, folder, tmp_path):
    aside = shutil.move(folder / paths.photos("demo"), tmp_path / "aside")
    try:
        assert result_sets.load("HEAD", None).read_photo(NAMES[0])
    finally:
        shutil.move(aside, folder / paths.photos("demo"))


class Store:
    """Stands in for `apparel.tracking.reader.Reader`: one run, whose files are those of the workspace."""

    def __init__(self, below):
        self._below = below

    def find(self, name):
        return StoredRun("a" * 32, name, "FINISHED", {"data.name": "demo"}, {}, {}, {})

    def fetch(self, run, path, folder):
        target = folder / (path if self._below else Path(path).name)
        target.parent.mkdir(exist_ok=True)
        return shutil.copyfile(paths.EVAL / Path(path).name, target)


@pytest.mark.parametrize("below", [True, False], ids=["as a server does", "as the local store does"])
def test_results_come_from_mlflow_wherever_its_client_puts_them(run, below):
    results = result_sets.load("a run", lambda: Store(below))
    assert results.detections.equals(result_sets.load("workspace", None).detections)


def test_figures_are_those_that_eval_wrote(run, folder):
    import json

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


@pytest.mark.parametrize(
    "file, damage",
    [
        ("detections.csv", lambda text: text.replace("0.9", "x").replace("0.8", "nan")),
        ("detections.csv", lambda text: text.replace("0 <b>.png", "other.png")),
        ("photos.csv", lambda text: text.replace("0 <b>.png", "../../secret.png")),
        ("ground_truth.csv", lambda text: text.replace(",64,64,", ",6,6,")),
        ("per_class.csv", lambda text: text.replace("threshold", "thrashold")),
    ],
)
def test_damaged_results_are_refused(run, folder, file, damage):
    path = paths.EVAL / file
    text = path.read_text(encoding="utf-8")
    path.unlink()  # a link into the cache, perhaps
    path.write_text(damage(text), encoding="utf-8")
    try:
        with pytest.raises(UserError, match=file.partition(".")[0]):
            result_sets.load("workspace", None)
    finally:
        path.write_text(text, encoding="utf-8")
