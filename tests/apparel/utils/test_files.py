"""Files and folders are whole or not there, whatever happens while they are written."""

import stat
from pathlib import Path

import pytest

from apparel.utils import files


def test_a_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    for content in ("old", "new"):
        with files.replace_folder(folder) as unfinished:
            (unfinished / content).write_text(content)
            assert not (folder / content).exists()
        assert [path.name for path in folder.iterdir()] == [content]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_an_error_leaves_the_folder_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out.unfinished" / "left").mkdir(parents=True)  # by a process that was killed
    with pytest.raises(ZeroDivisionError), files.replace_folder(tmp_path / "out") as unfinished:
        assert not list(unfinished.iterdir())
        raise ZeroDivisionError
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_tree_is_removed_with_files_that_are_read_only(tmp_path: Path) -> None:
    (tmp_path / "tree" / "below").mkdir(parents=True)
    (tmp_path / "tree" / "below" / "file").write_bytes(b"")
    (tmp_path / "tree" / "below" / "file").chmod(stat.S_IREAD)
    files.remove_tree(tmp_path / "tree")
    assert not (tmp_path / "tree").exists()
    files.remove_tree(tmp_path / "tree")  # nothing is there


def test_a_file_is_replaced_whole_without_leftovers(tmp_path: Path) -> None:
    files.write_text(tmp_path / "below" / "a.txt", "ü\n")
    files.write_text(tmp_path / "below" / "a.txt", "b\udcff")
    assert (tmp_path / "below" / "a.txt").read_bytes() == b"b\\udcff"
    assert [path.name for path in (tmp_path / "below").iterdir()] == ["a.txt"]
