import pytest

from apparel.data.ingest import unlabelled
from apparel.errors import UserError
from tests.support.source_files import entries, photo

FILES = {"a/1.jpg": photo(), "b/2.png": photo("blue", "PNG"), "c/1.jpg": photo(), "a/1.xml": "<annotation/>"}


def stage(folder, files):
    (folder / "work").mkdir(parents=True)
    source = folder.parent / "source"
    source.mkdir()
    return unlabelled.stage_unlabelled(entries(source, files), folder, folder.parent / "target")


def test_photos_alone_are_copied_once_and_all_else_is_counted(tmp_path, capsys):
    moves, counts = stage(tmp_path / "staging", FILES | {"d/note.jpg": "no photo"})
    assert moves == {"photos": tmp_path / "target"}
    assert counts == {"photos": 2, "repeated": 1, "others": 1, "left_out": 1}
    assert sorted(path.name for path in (tmp_path / "staging/photos").iterdir()) == ["1.jpg", "2.png"]
    printed = capsys.readouterr().out
    assert printed.startswith("2 photos without labels\n") and "annotations included, not imported: 1" in printed
    assert "d/note.jpg is not a JPEG" in printed


def test_different_photos_of_one_name_get_that_of_their_folder(tmp_path):
    stage(tmp_path / "staging", {"a/1.jpg": photo(), "b/1.jpg": photo("blue")})
    assert sorted(path.name for path in (tmp_path / "staging/photos").iterdir()) == ["a_1.jpg", "b_1.jpg"]


def test_a_source_without_photos_is_refused(tmp_path):
    with pytest.raises(UserError, match="no photos among 1 files"):
        stage(tmp_path / "staging", {"a/1.xml": "<annotation/>"})
