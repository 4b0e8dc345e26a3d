"""Result sets from the workspace, a commit and MLflow: found, validated, and refused where they are damaged."""

import shutil
from pathlib import Path

import pytest

from apparel import paths
from apparel.analysis import result_sets
from apparel.errors import UserError
from apparel.tracking.reader import StoredRun
from tests.support import measured_project


@pytest.fixture
def folder(two_results, tmp_path, monkeypatch):
    """A project with two commits' results, and others' in the workspace, as working directory."""
    folder = shutil.copytree(two_results, tmp_path / "project")
    monkeypatch.chdir(folder)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return folder


def test_photos_that_are_gone_from_the_workspace_come_from_the_commit(folder):
    shutil.rmtree(folder / paths.photos("demo"))
    assert result_sets.load("HEAD", None).read_photo(measured_project.NAMES[0])


def test_what_was_judged_is_read_from_the_classes_table(folder):
    assert result_sets.load("workspace", None).split == "test"
    path = paths.EVAL / "per_class.csv"
    path.write_text(path.read_text(encoding="utf-8").replace("\ntest,", "\nval,"), encoding="utf-8")
    assert result_sets.load("workspace", None).split == "val"


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
def test_results_come_from_mlflow_wherever_its_client_puts_them(folder, below):
    results = result_sets.load("a run", lambda: Store(below))
    assert results.detections.equals(result_sets.load("workspace", None).detections)


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
def test_damaged_results_are_refused(folder, file, damage):
    path = paths.EVAL / file
    text = path.read_text(encoding="utf-8")
    path.unlink()  # a link into the cache, perhaps
    path.write_text(damage(text), encoding="utf-8")
    with pytest.raises(UserError, match=file.partition(".")[0]):
        result_sets.load("workspace", None)


def test_a_commit_has_its_own_parameters_code_and_model(folder):
    first, second = (result_sets.load(name, None) for name in ("HEAD~1", "HEAD"))
    assert (first.params["train.learning_rate"], second.params["train.learning_rate"]) == ("0.004", "0.001")
    assert first.code["apparel/evaluation/metrics.py"] != second.code["apparel/evaluation/metrics.py"]
    assert first.data == second.data
    assert first.model != second.model
    assert list(first.thresholds) == measured_project.CLASSES


def test_what_no_commit_and_no_run_has_is_refused(folder):
    class Nothing:
        def find(self, name):
            return None

    with pytest.raises(UserError, match="'sixx' is no commit or experiment here and no run in MLflow; `dvc exp list"):
        result_sets.load("sixx", Nothing)


def test_where_git_refuses_the_clone_a_commit_is_no_unknown_name_and_runs_and_the_workspace_are_compared(
    folder, monkeypatch
):
    class Nothing:
        def find(self, name):
            return None

    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    with pytest.raises(UserError, match=r"'HEAD' is no run .* safe\.directory "):
        result_sets.load("HEAD", Nothing)
    run, here = result_sets.load("a run", lambda: Store(below=True)), result_sets.load("workspace", None)
    assert run.detections.equals(here.detections)
