"""Photos of files, folders, archives, patterns and lists: in order, streamed, and no more than counted if hostile."""

import io
import os
import tarfile
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from apparel import images
from apparel.analysis.predictions.photo_sources import PhotoSources
from apparel.errors import UserError
from tests.support import memory_bucket


def png(colour="red"):
    data = io.BytesIO()
    Image.new("RGB", (4, 4), colour).save(data, "PNG")
    return data.getvalue()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working directory with photos, and with what only looks like one."""
    monkeypatch.chdir(tmp_path)
    shop = tmp_path / "shop"
    (shop / "b.jpg").mkdir(parents=True)
    for name in ("a.png", "b.jpg/inside.PNG", "without-suffix", "c.txt"):
        (shop / name).write_bytes(png() if name != "c.txt" else b"notes")
    (shop / ".hidden.png").write_bytes(png())
    return tmp_path


def names_and_problems(*sources):
    """The names, and the reason of each that cannot be read."""
    photos = PhotoSources(sources, Path("predictions"))
    result = []
    for photo in photos:
        try:
            photo.read()
            result.append(photo.name)
        except UserError as error:
            result.append((photo.name, str(error)))
    return result, photos.left_out


def test_a_folder_gives_its_photos_by_name_and_counts_the_rest(folder):
    assert names_and_problems("shop") == (["shop/a.png", "shop/b.jpg/inside.PNG", "shop/without-suffix"], 1)


def test_links_pipes_and_loops_are_problems_and_never_the_end(folder):
    shop = folder / "shop"
    (shop / "d.jpg").symlink_to(shop / "d.jpg")
    (shop / "e").symlink_to(folder)
    os.mkfifo(shop / "f.jpg")
    (shop / "g.png").symlink_to(shop / "a.png")
    names, _ = names_and_problems("shop")
    problems = {item[0]: item[1] for item in names if isinstance(item, tuple)}
    assert set(problems) == {"shop/d.jpg", "shop/e", "shop/f.jpg"}
    assert "symbolic link to a folder" in problems["shop/e"]
    assert names[-2:] == ["shop/g.png", "shop/without-suffix"]


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz", "tar.bz2"])
def test_an_archive_is_read_in_its_order_and_nothing_is_unpacked(folder, kind):
    path = folder / f"photos.{kind}"
    members = {"z.png": png(), "sub/a.png": png("blue"), "notes.txt": b"x", "inner.zip": b"PK", ".hid.png": png()}
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in members.items():
                archive.writestr(name, data)
    else:
        with tarfile.open(path, f"w:{kind.removeprefix('tar').removeprefix('.')}") as archive:
            for name, data in members.items():
                header = tarfile.TarInfo(name)
                header.size = len(data)
                archive.addfile(header, io.BytesIO(data))
    before = sorted(folder.rglob("*"))
    names, left_out = names_and_problems(path.name)
    assert names[:2] == [f"{path.name}/z.png", f"{path.name}/sub/a.png"]
    assert names[2][0] == f"{path.name}/inner.zip"
    assert (len(names), left_out) == (3, 1)
    assert sorted(folder.rglob("*")) == before


def test_a_hostile_archive_is_one_problem_after_the_photos_before_it(folder):
    with tarfile.open(folder / "a.tar", "w") as archive:
        for name in ("good.png", "../outside.png"):
            header = tarfile.TarInfo(name)
            header.size = len(png())
            archive.addfile(header, io.BytesIO(png()))
    (folder / "b.zip").write_bytes(b"no archive")
    names, _ = names_and_problems("a.tar", "b.zip", "shop/a.png")
    assert names[0] == "a.tar/good.png"
    assert "leads out of the archive" in names[1][1]
    assert names[2][0] == "b.zip"
    assert names[3] == "shop/a.png"


def test_patterns_and_lists_are_followed_and_a_missing_line_is_a_problem(folder, monkeypatch):
    (folder / "list.txt").write_bytes(b"\xef\xbb\xbfshop/a.png\r\n\nshop/gone.png\nshop/../shop/a.png\n" + b"x" * 5000)
    names, _ = names_and_problems("list.txt", "shop/*.png")
    assert names[0] == "shop/a.png"
    assert names[1][0] == "shop/gone.png"
    assert names[2] == "shop/../shop/a.png"
    assert "is no path" in names[3][1]
    assert names[4:] == []  # it was in the list
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"shop/a.png\nshop\n")))
    assert len(names_and_problems("-")[0]) == 3


def test_a_photo_that_is_named_again_comes_up_once_and_is_counted(folder):
    (folder / "list.txt").write_text("shop/a.png\nshop/a.png\nshop\n")
    photos = PhotoSources(["list.txt", "shop/*.png"], Path("predictions"))
    for _ in range(2):
        names = [photo.name for photo in photos]
        assert names == ["shop/a.png", "shop/b.jpg/inside.PNG", "shop/without-suffix"]
        assert photos.repeated == 3


def test_a_pattern_in_a_list_starts_at_its_folder_and_one_without_a_match_is_a_problem(folder):
    lists = folder / "lists [1]"
    (lists / "shop").mkdir(parents=True)
    (lists / "shop" / "here.png").write_bytes(png())
    (lists / "list.txt").write_text("shop/*.png\nshop/*/*.PNG\ngone/*.png\n")
    names, _ = names_and_problems("lists [1]/list.txt")
    assert names == ["lists [1]/shop/here.png", "shop/b.jpg/inside.PNG", ("gone/*.png", "matches nothing")]


def test_a_list_in_a_list_and_an_address_of_the_web_are_problems(folder):
    (folder / "list.txt").write_text("list.txt\nhttps://example.com/a.jpg\n")
    names, _ = names_and_problems("list.txt")
    assert names[0] == ("list.txt", "is a list in a list; name its lines in the first one")
    assert names[1][0] == "https://example.com/a.jpg"
    assert names[1][1].startswith("is no address of gs://")


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
@pytest.mark.parametrize("pattern", ["**", "**/*", "shop/**", "**/*.*", "*/**/*", "***/**"])
def test_a_pattern_neither_goes_round_links_nor_takes_photos_below_a_folder_again(folder, pattern):
    for name in ("shop/round", "shop/b.jpg/round"):
        (folder / name).symlink_to(folder)
    photos = PhotoSources([pattern], Path("predictions"))
    links = [photo.name for photo in photos if photo.name.endswith("round")]
    assert set(links) <= {"shop/round", "shop/b.jpg/round"}
    expected = ["shop/a.png", "shop/b.jpg/inside.PNG", "shop/without-suffix"][: 2 if "." in pattern else 3]
    assert [photo.name for photo in photos if photo.name not in links] == expected
    assert (photos.repeated, photos.left_out) == (0, 1)


@pytest.mark.parametrize("source", ["gone", "", "a\0b", "https://example.com/a.jpg", "gone/*.jpg"])
def test_a_source_that_is_not_there_is_refused_at_once(folder, source):
    with pytest.raises(UserError):
        PhotoSources([source], Path("predictions"))


def test_a_run_does_not_take_its_own_pictures_for_photos(folder):
    photos = PhotoSources(["shop"], folder / "shop" / "b.jpg")
    assert [photo.name for photo in photos] == ["shop/a.png", "shop/without-suffix"]


def test_a_list_in_a_bucket_leads_to_buckets_alone(folder, monkeypatch):
    address = memory_bucket.make(monkeypatch)
    lines = f"a.png\n{address}/b.png\n../b.png\n{folder}/shop/a.png\n"
    memory_bucket.write(f"{address}/lists/autumn.txt", lines.encode())
    memory_bucket.write(f"{address}/lists/a.png", png())
    memory_bucket.write(f"{address}/b.png", png("blue"))
    names, _ = names_and_problems(f"{address}/lists/autumn.txt")
    assert names[:2] == [f"{address}/lists/a.png", f"{address}/b.png"]
    assert [reason for _, reason in names[2:]] == ["nothing is stored at this address"] * 2
    assert names_and_problems(f"{address}/lists") == ([f"{address}/lists/a.png"], 1)


def test_a_photo_in_a_bucket_is_read_within_the_limit(folder, monkeypatch):
    address = memory_bucket.make(monkeypatch)
    memory_bucket.write(f"{address}/a.png", png())
    monkeypatch.setattr(images, "MAX_BYTES", 10)
    ((name, reason),), _ = names_and_problems(f"{address}/a.png")
    assert name == f"{address}/a.png" and "more than the 10" in reason
