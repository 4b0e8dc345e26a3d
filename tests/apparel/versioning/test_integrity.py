"""Any change to what a stage left is found and named."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apparel.errors import UserError
from apparel.versioning import integrity

FILES = {"labels.csv": b"filename,width\na.jpg,100\n", "checkpoint/ckpt-0.index": bytes(range(200)), "empty": b""}


def sealed(folder: Path) -> Path:
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    integrity.write(folder)
    return folder


def test_what_was_written_passes_again_and_again(tmp_path: Path) -> None:
    folder = sealed(tmp_path)
    record = (folder / integrity.NAME).read_bytes()
    integrity.check(folder, "convert")
    integrity.write(folder)
    assert (folder / integrity.NAME).read_bytes() == record
    (folder / "more").write_bytes(b"")  # another file harms none of those that are read
    integrity.check(folder, "convert")


@given(data=st.data())
def test_a_flipped_bit_or_a_shorter_file_is_named_with_the_remedy(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = sealed(tmp_path_factory.mktemp("sealed"))
    name = data.draw(st.sampled_from(["labels.csv", "checkpoint/ckpt-0.index", integrity.NAME]))
    content = bytearray((folder / name).read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        content[place] ^= 1 << data.draw(st.integers(0, 7))
    else:
        del content[place:]
    (folder / name).write_bytes(content)
    try:
        integrity.check(folder, "convert")
    except UserError as error:
        assert name in str(error) or name == integrity.NAME
        assert "dvc repro --force convert" in str(error)
    else:
        # White space between the sums, and nothing else, may change.
        assert name == integrity.NAME


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    (sealed(tmp_path) / name).unlink()
    with pytest.raises(UserError, match=rf"{name} is missing; run `dvc repro --force train`"):
        integrity.check(tmp_path, "train")


@pytest.mark.parametrize("content", [b"", b"\xff", b"[1]", b"3", b"null"])
def test_a_record_that_is_none_is_refused(tmp_path: Path, content: bytes) -> None:
    (sealed(tmp_path) / integrity.NAME).write_bytes(content)
    with pytest.raises(UserError, match=r"md5\.json is damaged"):
        integrity.check(tmp_path, "train")


def test_a_folder_without_a_record_is_not_held_to_one(tmp_path: Path) -> None:
    integrity.check(tmp_path, "train")


def test_a_stage_that_never_ran_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="convert not found; run `dvc repro split`"):
        integrity.check(tmp_path / "convert", "split")
