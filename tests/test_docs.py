"""README.md, CONTRIBUTING.md and docs/ against the files and recipes that they name."""

import re

import pytest

from apparel.analysis import recipes
from tests.support.repository import ROOT

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def anchors(text: str) -> set[str]:
    """The addresses that a host makes of headings."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_and_headings(page):
    text = page.read_text(encoding="utf-8")
    prose = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)  # code has calls in this form
    links = re.findall(r'\]\(([^)\s]+)\)|(?:href|src)="([^"]+)"', prose)
    for link in ("".join(pair) for pair in links):
        if "://" in link:
            continue
        name, _, heading = link.partition("#")
        target = page.parent / name if name else page
        assert target.exists(), link
        assert not heading or heading in anchors(target.read_text(encoding="utf-8")), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_recipes_that_are_named_exist(page):
    named = re.findall(r"apparel run ([a-z]\w*)", page.read_text(encoding="utf-8"))
    assert set(named) <= {*recipes.names(), "shop"}  # the data set of the examples


def test_readme_fits_its_purpose():
    """The main story first, the rest behind links."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 120
    story = text.partition("\n## ")[0]
    assert all(f"apparel {command} " in story for command in ("import", "inspect", "run", "results"))
    assert "data/results/train/model/" in story
    assert [f"docs/{page.name}" for page in PAGES[2:] if f"docs/{page.name}" not in text] == []
