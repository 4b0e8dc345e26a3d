import os
from pathlib import Path

import pytest

from apparel.analysis.predictions.patterns import below, is_pattern, matches, matches_any


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.jpg", ".b.jpg", "shop/a.jpg", "shop/new/c.png", "shop/.old/d.jpg", "shop/[1].jpg"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    return tmp_path


PATTERNS = {
    "*.jpg": ["a.jpg"],
    "shop/*": ["shop/[1].jpg", "shop/a.jpg", "shop/new"],
    "**/*.jpg": ["a.jpg", "shop/[1].jpg", "shop/a.jpg"],
    "**.jpg": ["a.jpg"],
    "shop/**/*.png": ["shop/new/c.png"],
    "s?op/./[an]*": ["shop/a.jpg", "shop/new"],
    "shop/new/../*.jpg": ["shop/new/../[1].jpg", "shop/new/../a.jpg"],
    "shop/[[]1].jpg": ["shop/[1].jpg"],
    "shop/.old/*": ["shop/.old/d.jpg"],
    ".*.jpg": [".b.jpg"],
    "gone/*": [],
    "gone": [],
}


@pytest.mark.parametrize("absolute", [False, True])
@pytest.mark.parametrize("pattern", PATTERNS)
def test_what_matches(folder, pattern, absolute):
    root = folder if absolute else Path()
    found = sorted(map(str, matches(str(root / pattern))))
    assert found == [str(root / name) for name in PATTERNS[pattern]]
    assert matches_any(pattern) == bool(found)


def test_a_folder_with_signs_in_its_name(folder):
    Path("shop").rename("[shop]*")
    pattern = below(Path("[shop]*"), "*/c.png")
    assert [path.as_posix() for path in matches(pattern)] == ["[shop]*/new/c.png"]


def test_signs_of_a_pattern():
    assert is_pattern("a/*.jpg")
    assert not is_pattern("a/b.jpg")


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_links_that_lead_round_end(folder):
    for number in range(3):
        Path(f"shop/round{number}").symlink_to("..")
    assert len(list(matches("**/a.jpg"))) == 2
