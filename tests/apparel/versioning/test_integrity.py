"""Any change to what a stage wrote, or to data that DVC tracks, on the disk or in its cache, is found and named."""

import shutil
import subprocess
from pathlib import Path

import pytest
from dvc.repo import Repo
from hypothesis import given
from hypothesis import strategies as st

from apparel.errors import UserError
from apparel.versioning import integrity

FILES = {"labels.csv": b"filename,width\na.jpg,100\n", "checkpoint/ckpt-0.index": bytes(range(200)), "empty": b""}

PHOTOS = Path("data/shop/photos")


def sealed(folder: Path) -> Path:
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    integrity.write_checksums(folder)
    return folder


def test_unchanged_files_pass_again_and_again(tmp_path: Path) -> None:
    folder = sealed(tmp_path)
    record = (folder / integrity.CHECKSUMS).read_bytes()
    integrity.check_checksums(folder, "convert")
    integrity.write_checksums(folder)
    assert (folder / integrity.CHECKSUMS).read_bytes() == record
    (folder / "more").write_bytes(b"")  # another file harms none of those that are read
    integrity.check_checksums(folder, "convert")


@given(data=st.data())
def test_a_flipped_bit_or_a_shorter_file_is_named_with_the_remedy(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = sealed(tmp_path_factory.mktemp("sealed"))
    name = data.draw(st.sampled_from(["labels.csv", "checkpoint/ckpt-0.index", integrity.CHECKSUMS]))
    content = bytearray((folder / name).read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        content[place] ^= 1 << data.draw(st.integers(0, 7))
    else:
        del content[place:]
    (folder / name).write_bytes(content)
    try:
        integrity.check_checksums(folder, "convert")
    except UserError as error:
        assert name in str(error) or name == integrity.CHECKSUMS
        assert "dvc repro --force convert" in str(error)
    else:
        # White space between the sums, and nothing else, may change.
        assert name == integrity.CHECKSUMS


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    (sealed(tmp_path) / name).unlink()
    with pytest.raises(UserError, match=rf"{name} is missing; run `dvc repro --force train`"):
        assert integrity.check_checksums(tmp_path, "train") is None


@pytest.mark.parametrize("content", [b"", b"\xff", b"[1]", b"3", b"null"])
def test_an_invalid_record_is_refused(tmp_path: Path, content: bytes) -> None:
    (sealed(tmp_path) / integrity.CHECKSUMS).write_bytes(content)
    with pytest.raises(UserError, match=r"md5\.json is damaged"):
        assert integrity.check_checksums(tmp_path, "train") is None


def test_a_folder_without_a_record_passes(tmp_path: Path) -> None:
    assert integrity.check_checksums(tmp_path, "train") is None


def test_a_stage_that_never_ran_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="convert not found; run `dvc repro split`"):
        integrity.check_checksums(tmp_path / "convert", "split")


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


def test_unchanged_data_pass(photos: Path) -> None:
    assert integrity.check_tracked(photos) is None


def test_untracked_data_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert integrity.check_tracked(PHOTOS) is None
    PHOTOS.mkdir(parents=True)
    (PHOTOS / "a.jpg").write_bytes(b"x")
    assert integrity.check_tracked(PHOTOS) is None


@pytest.mark.parametrize("name", ["a.jpg", "b ü.jpg", "below/c.jpg"])
def test_a_flipped_photo_is_named(photos: Path, name: str) -> None:
    flip(photos / name)
    with pytest.raises(UserError, match=rf"not what DVC recorded: .*{name};.*delete it, then dvc checkout"):
        integrity.check_tracked(photos)


def test_missing_and_additional_photos_are_counted(photos: Path) -> None:
    (photos / "a.jpg").unlink()
    (photos / "z.jpg").write_bytes(b"")
    with pytest.raises(UserError, match=r"not what DVC recorded: .*a\.jpg and 1 more;"):
        integrity.check_tracked(photos)


def test_a_damaged_copy_in_the_cache_is_named_too(photos: Path) -> None:
    content = (photos / "a.jpg").read_bytes()
    (copy,) = (path for path in Path(".dvc/cache").rglob("*") if path.is_file() and path.read_bytes() == content)
    flip(copy)
    shutil.rmtree(photos)
    with Repo() as repo:
        repo.checkout()  # DVC does not look
    with pytest.raises(UserError, match=rf"not what .* .*a\.jpg; .* delete it and its copy {copy}, then"):
        integrity.check_tracked(photos)


def test_without_the_cache_the_folder_is_named(photos: Path) -> None:
    flip(photos / "a.jpg")
    shutil.rmtree(".dvc/cache")
    with pytest.raises(UserError, match=r"not what DVC recorded: a file in data.shop.photos"):
        integrity.check_tracked(photos)


def test_the_lock_of_a_pipeline_counts_as_well(photos: Path) -> None:
    md5 = Path("data/shop/photos.dvc").read_text().split("md5: ")[1].split()[0]
    Path("data/shop/photos.dvc").unlink()
    lock = f"stages:\n  draw:\n    outs:\n    - path: {PHOTOS.as_posix()}\n      md5: {md5}\n"
    Path("data/shop/dvc.lock").write_text(lock)
    integrity.check_tracked(photos)
    flip(photos / "a.jpg")
    with pytest.raises(UserError, match=r"a\.jpg"):
        integrity.check_tracked(photos)
