import pytest

from apparel.errors import UserError
from benchmarks import duplicates
from tests.apparel.data.test_duplicates import garment


def test_copies_of_each_kind_and_false_alarms_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(duplicates, "COPIED", 2)
    monkeypatch.setattr(duplicates, "WALLS", 1)
    monkeypatch.setattr(duplicates, "GARMENTS", 3)
    for seed in range(5):
        garment(seed).save(tmp_path / f"{seed}.png")
    lines = duplicates.measure(tmp_path, count=4).splitlines()
    assert lines[0].startswith("duplicates: 4 photos")
    found = {line[11:]: line[:11].split() for line in lines[1 : 1 + len(duplicates.CHANGES)]}
    assert found.keys() == duplicates.CHANGES.keys()
    assert all(total == "2" and int(number) <= 2 for number, _, total in found.values())
    assert found["mirrored"][0] == found["half the size"][0] == "2"
    assert "pairs among the 4 photos themselves: none" in lines
    assert "different garments before one wall, drawn: 0 of 3 pairs are taken for copies (none)" in lines


def test_a_folder_without_photos_is_refused(tmp_path):
    with pytest.raises(UserError, match="has no photos"):
        duplicates.measure(tmp_path / "none", 1)
