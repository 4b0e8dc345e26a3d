import io
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from apparel.analysis.predictions.photo_count import count_photos
from apparel.analysis.predictions.photo_sources import PhotoSources

SOON = 60


@pytest.fixture
def sources(tmp_path, monkeypatch):
    """A folder with photos and other files, archives of it, and a list."""
    monkeypatch.chdir(tmp_path)
    for name in ("shop/a.jpg", "shop/b.PNG", "shop/notes.md", "shop/new/c.heic", "shop/.d.jpg", "out/e.jpg"):
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    with zipfile.ZipFile("shop.zip", "w") as archive:
        for path in sorted(Path("shop").rglob("*.*")):
            archive.write(path)
    with tarfile.open("shop.tar.gz", "w:gz") as archive:
        archive.add("shop")
    Path("list.txt").write_text("shop/a.jpg\nshop/new\nmissing.jpg\n")
    return tmp_path


@pytest.mark.parametrize(
    "names, number",
    [(["shop"], 3), (["shop.zip"], 3), (["shop.tar.gz"], 3), (["list.txt"], 3), (["shop/*.jpg", "shop/a.jpg"], 1)],
)
def test_as_many_as_are_detected_on(sources, names, number):
    photos = PhotoSources(names, Path("out"))
    assert count_photos(photos, SOON) == number == len(list(photos))


def test_the_output_is_passed_over(sources):
    assert count_photos(PhotoSources(["."], Path("out")), SOON) == 9


def test_what_takes_too_long_has_no_number(sources):
    assert count_photos(PhotoSources(["shop"], Path("out")), 0) is None
    assert count_photos(PhotoSources(["shop/notes.md", "shop/new"], Path("out")), 0) is None


def test_neither_standard_input_nor_a_store_is_read(sources, monkeypatch):
    lines = io.TextIOWrapper(io.BytesIO(b"shop/a.jpg\n"))
    monkeypatch.setattr(sys, "stdin", lines)
    assert count_photos(PhotoSources(["-"], Path("out")), SOON) is None
    assert lines.read() == "shop/a.jpg\n"
    assert count_photos(PhotoSources(["shop", "s3://shop/new"], Path("out")), SOON) is None
    Path("list.txt").write_text("gs://shop/new\n")
    assert count_photos(PhotoSources(["list.txt"], Path("out")), SOON) is None
