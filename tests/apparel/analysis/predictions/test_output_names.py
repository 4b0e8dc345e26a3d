"""Names of outputs: below their folder, unique, and telling which photo they are of."""

import os

import pytest

from apparel.analysis.predictions.output_names import local_file, name_hash, picture_path, safe_part, thumbnail_path
from tests.support.detection_tables import HOSTILE_NAMES


def test_a_plain_name_keeps_its_folders_and_its_name():
    path = picture_path("shop/summer/IMG 1.jpeg", ".jpg")
    assert path.as_posix() == f"shop/summer/IMG 1~{name_hash('shop/summer/IMG 1.jpeg')}.jpg"


def test_the_hash_is_that_of_sha256sum():
    assert name_hash("a.jpg") == "509b0d4641a7"  # printf a.jpg | sha256sum


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_no_name_leads_outside_or_fails(tmp_path, name):
    for relative in (picture_path(name, ".jpg"), thumbnail_path(name)):
        path = tmp_path / relative
        assert path.resolve().is_relative_to(tmp_path)
        assert all(len(os.fsencode(part)) <= 255 for part in relative.parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_names_that_become_alike_stay_apart():
    names = [*HOSTILE_NAMES, "a.jpg", "A.jpg", "a.png", "x/a.jpg", "x_a.jpg", "x?a.jpg", "x*a.jpg", "a", "a/", "./a"]
    paths = [picture_path(name, ".jpg").as_posix().casefold() for name in names]
    assert len(set(paths)) == len(names)


def test_no_folder_is_called_like_a_file(tmp_path):
    file = picture_path("a.jpg", ".jpg")
    below = picture_path(f"{file}/b.jpg", ".jpg")
    for path in (tmp_path / file, tmp_path / below):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


@pytest.mark.parametrize("text", ["", ".", "..", " ", "...", "/", "a/b", "CON", "nul.txt", "~", "\x00", "a."])
def test_parts_are_safe(text):
    part = safe_part(text)
    assert part not in ("", ".", "..", "CON", "nul.txt")
    assert not set(part) & set("/\\~\x00")
    assert not part.endswith((".", " "))


def test_only_a_file_of_this_machine_is_local(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.jpg").touch()
    assert local_file("a.jpg")
    assert not any(map(local_file, ["b.jpg", "a.jpg/b.jpg", "gs://bucket/a.jpg", "a\x00.jpg", "x" * 5000]))
