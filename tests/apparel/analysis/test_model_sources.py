"""Models by name: of the workspace, a path, a commit, MLflow's registry and runs; each checked, or refused by name."""

import shutil
from pathlib import Path

import pytest

from apparel import paths
from apparel.analysis import model_sources, recipes
from apparel.errors import UserError
from apparel.tracking.registry import Registry
from apparel.versioning import dvc_hash
from tests.support import ensembles, memory_bucket, registered_models


@pytest.fixture(scope="module")
def project(two_results, tmp_path_factory):
    """A project with the models of two commits in DVC's cache, and one of a run, the champion, in MLflow."""
    folder = shutil.copytree(two_results, tmp_path_factory.mktemp("models") / "project")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder.as_posix()}/mlflow.db")
        run, md5 = registered_models.run_with_model("in MLflow")
        registry = Registry()
        registry.set_alias(registry.register(run, md5))
    return folder, run, md5


@pytest.fixture
def in_mlflow(project, monkeypatch):
    """MLflow's id of the run, and DVC's hash of its model; the project is the working directory."""
    folder, run, md5 = project
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder.as_posix()}/mlflow.db")
    return run, md5


def test_the_workspaces_model_and_paths_stay_where_they_are(in_mlflow, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "pipeline.config").touch()
    (tmp_path / "detector.tflite").touch()
    assert model_sources.resolve("workspace") == paths.MODEL
    for path in (tmp_path / "model", tmp_path / "detector.tflite"):
        assert model_sources.resolve(str(path)) == path


def test_a_commits_model_comes_from_dvcs_cache_and_is_replaced_where_the_copy_was_damaged(in_mlflow):
    first, second = model_sources.resolve("HEAD~1"), model_sources.resolve("main")
    assert first != second == model_sources.resolve("HEAD")
    assert dvc_hash.path_hash(second) == dvc_hash.path_hash(paths.MODEL)
    (second / "weights").write_text("damaged", encoding="utf-8")
    assert dvc_hash.path_hash(model_sources.resolve("main")) == dvc_hash.path_hash(paths.MODEL)


def test_a_model_comes_from_mlflow_by_alias_address_and_run(in_mlflow):
    run, md5 = in_mlflow
    for name in ("champion", "models:/garments@champion", "models:/garments/1", run):
        assert dvc_hash.path_hash(model_sources.resolve(name)) == md5


@pytest.mark.parametrize(
    "name, problem",
    [
        ("nothing", "there is no model 'nothing': .* `apparel promote`"),
        ("", "there is no model ''"),
        ("'; --", "there is no model"),
        ("./data", "data holds no model"),
        ("data", "there is no model 'data'"),
        ("f" * 32, "MLflow has no model of a run ffff"),
        ("models:/garments@other", "no version with the alias 'other'"),
        ("models:/", "is no address of a model"),
        ("a\0b", "zero bytes"),
        ("a" * 5000, "cannot be read"),
    ],
)
def test_what_is_no_model_is_refused_by_its_name(in_mlflow, name, problem):
    with pytest.raises(UserError, match=problem):
        model_sources.resolve(name)


def test_a_recipe_that_was_not_run_is_named_with_the_command_that_trains_it(in_mlflow):
    (recipes.FOLDER / "shop.yaml").parent.mkdir(parents=True, exist_ok=True)
    (recipes.FOLDER / "shop.yaml").touch()
    with pytest.raises(UserError, match=r"there is no model 'shop': .*; `apparel run shop` trains the recipe"):
        model_sources.resolve("shop")


def test_a_commit_without_a_model_is_refused(in_mlflow, monkeypatch):
    monkeypatch.setattr(model_sources.dvc_lock, "read_commit", lambda _: model_sources.dvc_lock.Lock(None, {}))
    with pytest.raises(UserError, match="HEAD has no trained model"):
        model_sources.resolve("HEAD")


def test_without_a_trained_model_the_remedy_is_to_train_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="`dvc repro` trains one"):
        model_sources.resolve("workspace")
    assert list(Path().iterdir()) == []


def test_an_ensemble_is_found_by_name_and_path(in_mlflow):
    path = ensembles.write("members: [{model: workspace, mirrored: true}]", "champion-too")
    assert model_sources.resolve("champion-too") == model_sources.resolve(str(path)) == path


def test_a_model_in_a_bucket_is_copied_once_for_each_content(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(model_sources, "KEPT", tmp_path / "kept")
    address = memory_bucket.make(monkeypatch)
    memory_bucket.write(f"{address}/model/pipeline.config", b"one")
    memory_bucket.write(f"{address}/model/checkpoint/ckpt-0.index", b"weights")
    memory_bucket.write(f"{address}/detector.tflite", b"tflite")
    first = model_sources.resolve(f"{address}/model")
    assert (first / "pipeline.config").read_bytes() == b"one"
    assert (first / "checkpoint" / "ckpt-0.index").read_bytes() == b"weights"
    assert model_sources.resolve(f"{address}/model/") == first
    memory_bucket.write(f"{address}/model/pipeline.config", b"two")
    second = model_sources.resolve(f"{address}/model")
    assert (second / "pipeline.config").read_bytes() == b"two"
    file = model_sources.resolve(f"{address}/detector.tflite")
    assert (file.name, file.read_bytes()) == ("detector.tflite", b"tflite")


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("nothing", "nothing is stored at this address"),
        ("photos", "holds no model: neither pipeline.config nor saved_model.pb"),
        ("two.yaml", "the file of an ensemble lies on this machine"),
    ],
)
def test_an_address_without_a_model_is_refused(tmp_path, monkeypatch, name, problem):
    monkeypatch.chdir(tmp_path)
    address = memory_bucket.make(monkeypatch)
    memory_bucket.write(f"{address}/photos/a.jpg", b"photo")
    memory_bucket.write(f"{address}/two.yaml", b"members: []")
    with pytest.raises(UserError, match=problem):
        model_sources.resolve(f"{address}/{name}")
