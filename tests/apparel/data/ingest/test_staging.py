import pytest

from apparel import paths
from apparel.data.ingest import staging
from apparel.errors import UserError


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    """An empty folder as the project's root."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_staging_folder_is_ignored_by_git_and_removed_at_the_end():
    with staging.staging_folder(paths.DATA, "shop") as folder:
        assert (folder / ".gitignore").read_text() == "*\n"
        (folder / "photos").mkdir()
    assert not folder.exists()


def test_a_failed_import_leaves_no_staging_folder():
    with pytest.raises(UserError), staging.staging_folder(paths.DATA, "shop") as folder:
        raise UserError("no photos")
    assert not folder.exists()


def test_a_staging_folder_with_a_plan_is_left_for_the_next_import():
    with pytest.raises(KeyboardInterrupt), staging.staging_folder(paths.DATA, "shop") as folder:
        (folder / staging.READY).write_text("{}")
        raise KeyboardInterrupt
    assert folder.exists()


def test_a_target_is_free_if_it_is_missing_empty_or_to_be_replaced():
    target = paths.DATA / "shop"
    staging.check_target_is_free(target, replace=False)
    target.mkdir(parents=True)
    staging.check_target_is_free(target, replace=False)
    (target / "photos.dvc").touch()
    with pytest.raises(UserError, match="data/shop exists already"):
        staging.check_target_is_free(target, replace=False)
    staging.check_target_is_free(target, replace=True)


def test_weights_that_dvc_tracks_are_not_free_although_their_files_are_missing():
    target = paths.PRETRAINED / "coco"
    target.parent.mkdir(parents=True)
    (paths.PRETRAINED / "coco.dvc").touch()
    with pytest.raises(UserError, match="coco exists already"):
        staging.check_target_is_free(target, replace=False)
