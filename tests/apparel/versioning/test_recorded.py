"""Photos that changed behind DVC's back, on the disk or in its cache, are found and named."""

import shutil
import subprocess
from pathlib import Path

import pytest
from dvc.repo import Repo

from apparel.errors import UserError
from apparel.versioning import recorded

PHOTOS = Path("data/shop/photos")


@pytest.fixture(scope="module")
def tracked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three photos that DVC tracks."""
    folder = tmp_path_factory.mktemp("tracked")
    (folder / PHOTOS / "below").mkdir(parents=True)
    for name in ("a.jpg", "b ü.jpg", "below/c.jpg"):
        (folder / PHOTOS / name).write_bytes(name.encode() * 100)
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        Repo.init()
        with Repo() as repo:
            repo.add([str(PHOTOS)])
    return folder


@pytest.fixture
def photos(tracked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the folder, as the current one."""
    shutil.copytree(tracked, tmp_path / "copy", symlinks=True)
    monkeypatch.chdir(tmp_path / "copy")
    return PHOTOS


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[7] ^= 4
    path.chmod(0o644)
    path.write_bytes(content)


def test_what_was_recorded_passes(photos: Path) -> None:
    recorded.check(photos)


def test_what_dvc_knows_nothing_of_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    recorded.check(PHOTOS)
    PHOTOS.mkdir(parents=True)
    (PHOTOS / "a.jpg").write_bytes(b"x")
    recorded.check(PHOTOS)


@pytest.mark.parametrize("name", ["a.jpg", "b ü.jpg", "below/c.jpg"])
def test_a_flipped_photo_is_named(photos: Path, name: str) -> None:
    flip(photos / name)
    with pytest.raises(UserError, match=rf"{name} is not what DVC recorded.*delete it, then dvc checkout"):
        recorded.check(photos)


def test_missing_photos_and_strange_ones_are_counted(photos: Path) -> None:
    (photos / "a.jpg").unlink()
    (photos / "z.jpg").write_bytes(b"")
    with pytest.raises(UserError, match=r"a\.jpg \(and 1 more\) is not what DVC recorded"):
        recorded.check(photos)


def test_a_damaged_copy_in_the_cache_is_named_too(photos: Path) -> None:
    content = (photos / "a.jpg").read_bytes()
    (copy,) = (path for path in Path(".dvc/cache").rglob("*") if path.is_file() and path.read_bytes() == content)
    flip(copy)
    shutil.rmtree(photos)
    with Repo() as repo:
        repo.checkout()  # DVC does not look
    with pytest.raises(UserError, match=rf"a\.jpg is not .* delete it and its copy {copy}, then"):
        recorded.check(photos)


def test_without_the_cache_the_folder_is_named(photos: Path) -> None:
    flip(photos / "a.jpg")
    shutil.rmtree(".dvc/cache")
    with pytest.raises(UserError, match=r"a file in data.shop.photos is not what DVC recorded"):
        recorded.check(photos)


def test_the_lock_of_a_pipeline_counts_as_well(photos: Path) -> None:
    md5 = Path("data/shop/photos.dvc").read_text().split("md5: ")[1].split()[0]
    Path("data/shop/photos.dvc").unlink()
    lock = f"stages:\n  draw:\n    outs:\n    - path: {PHOTOS.as_posix()}\n      md5: {md5}\n"
    Path("data/shop/dvc.lock").write_text(lock)
    recorded.check(photos)
    flip(photos / "a.jpg")
    with pytest.raises(UserError, match=r"a\.jpg"):
        recorded.check(photos)
