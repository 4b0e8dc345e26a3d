"""Versions of the registered model in MLflow: one for each model, whatever was interrupted, and their files."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from apparel.errors import UserError
from apparel.tracking import registry
from apparel.tracking.registry import Registry
from apparel.tracking.server import DATABASE, connect, tracking_uri
from tests.support import registered_models


@pytest.fixture(scope="module")
def empty_database(tmp_path_factory):
    """A database of MLflow without runs, which takes seconds to make."""
    folder = tmp_path_factory.mktemp("database")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        registered_models.new_database()
    return folder / DATABASE


@pytest.fixture
def project(tmp_path, monkeypatch, empty_database):
    monkeypatch.chdir(tmp_path)
    shutil.copy(empty_database, tmp_path)
    # MLflow keeps one connection for each address, and a relative one would be that of the first test.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path.as_posix()}/{DATABASE}")


def versions():
    return connect(tracking_uri()).search_model_versions("name = 'garments'")


def test_without_a_store_there_is_no_champion_and_none_is_made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert Registry().version("champion") is None
    with pytest.raises(UserError, match="no version with the alias 'champion' of the model 'garments'"):
        registry.find("champion")
    assert not DATABASE.exists()


def test_a_model_is_registered_once_and_found_by_alias_number_and_address(project):
    run, md5 = registered_models.run_with_model("first")
    version = Registry().register(run, md5)
    assert (version.name, version.number, version.run, version.model) == ("garments", 1, run, md5)
    assert Registry().register(run, md5) == version  # as after a kill before the alias
    assert len(versions()) == 1

    Registry().set_alias(version)
    assert Registry().version("champion").number == 1
    names = ["champion", "models:/garments@champion", "models:/garments/1", f"models:/{version.logged}"]
    folders = {registry.find(name) for name in names}
    (folder,) = folders
    assert (folder / "checkpoint" / "ckpt-0.index").read_text(encoding="utf-8") == "first"

    other, other_md5 = registered_models.run_with_model("second")
    second = Registry().register(other, other_md5)
    assert second.number == 2 and Registry().version("champion").number == 1
    Registry().set_alias(second)
    assert registry.find("champion") != folder


def test_unknown_names_are_refused(project):
    run, md5 = registered_models.run_with_model("first")
    Registry().register(run, md5)
    unknown = ["challenger", "models:/garments/9", "models:/m-1", "models:/other@champion", "models://x", "a'b@c"]
    for name in unknown:
        with pytest.raises(UserError, match=r"no version|no model|no address"):
            registry.find(name)


def test_a_damaged_copy_is_fetched_again_and_a_damaged_original_refused(project):
    run, md5 = registered_models.run_with_model("first")
    version = Registry().register(run, md5)
    weights = registry.find("models:/garments/1") / "checkpoint" / "ckpt-0.index"
    weights.write_text("damaged", encoding="utf-8")
    assert registry.find("models:/garments/1") == weights.parents[1]
    assert weights.read_text(encoding="utf-8") == "first"

    weights.write_text("damaged", encoding="utf-8")
    (stored,) = Path("mlruns").rglob("ckpt-0.index")
    stored.write_text("damaged, too", encoding="utf-8")
    with pytest.raises(UserError, match=r"damaged or others: .*ckpt-0.index is damaged"):
        registry.find("models:/garments/1")
    assert not weights.exists()
    with pytest.raises(UserError, match="are damaged or others"):
        Registry().register(run, version.model)


def test_a_run_without_a_model_or_with_another_one_is_refused(project):
    run, md5 = registered_models.run_with_model("first")
    with pytest.raises(UserError, match=rf"their hash is {md5}, recorded is 0123\.dir"):
        Registry().register(run, "0123.dir")
    empty = connect(tracking_uri()).create_run("0").info.run_id
    with pytest.raises(UserError, match=f"MLflow's run {empty} has no model: `apparel sync`"):
        Registry().register(empty, md5)
    assert versions() == []


def test_two_that_register_one_model_at_once_make_one_version(project):
    run, md5 = registered_models.run_with_model("first")
    with ThreadPoolExecutor(4) as threads:
        numbers = {version.number for version in threads.map(lambda _: Registry().register(run, md5), range(4))}
    assert len(numbers) == 1 and [int(version.version) for version in versions()] == list(numbers)


def test_tags_and_description_are_kept(project):
    run, md5 = registered_models.run_with_model("first")
    version = Registry().register(run, md5)
    Registry().set_tags(version, {"promote.reason": "a new shop"})
    Registry().describe(version, "# Card")
    (stored,) = versions()
    assert stored.tags == {"apparel.model": md5, "promote.reason": "a new shop"} and stored.description == "# Card"
