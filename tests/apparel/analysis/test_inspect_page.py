"""The page of an inspection, and its text for the terminal."""

import re

import pytest

from apparel import params
from apparel.analysis import inspect_data, inspect_page
from tests.support import chromium, flawed_data_set


@pytest.fixture
def shop(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    flawed_data_set.make(tmp_path)
    return tmp_path


def inspect():
    return inspect_data.inspect("shop", params.load())


def test_the_terminal_has_all_findings(shop):
    text = inspect_page.terminal_text(inspect())
    for line in (
        "photos that cannot be decoded: 1 (damaged.png)",
        "photos in lists/train.csv that are missing: 1 (gone.png)",
        "near duplicates: 2 photos in 1 groups (pairs: same file 1)",
        "pairs that straddle train and test in lists/train.csv and test.csv: 1 (same file 1)",
        "photos in both train and test of lists/train.csv and test.csv: 1 (empty.png)",
        "photo is missing",
    ):
        assert line in text


def test_the_page_needs_no_other_file_and_believes_no_name(shop):
    page = inspect_page.render_page(inspect())
    sources = re.findall(r'(?:src|href|url)\s*[=(]\s*"?([^"\s>)]*)', page.replace("src=x", ""))
    assert len(sources) >= 8 and all(source.startswith("data:image/jpeg;base64,") for source in sources)
    assert "<img src=x" not in page and "<b>" not in page and "&lt;b&gt;Tops" in page
    assert "{{ 7*7 }}" in page.replace("&#39;", "'")
    assert page == inspect_page.render_page(inspect())


def test_a_browser_shows_the_page_without_a_network(shop):
    page = shop / "page.html"
    page.write_text(inspect_page.render_page(inspect()), encoding="utf-8")
    shown = chromium.dom(page, shop / "profile")
    assert "Data set shop" in shown and shown.count("<circle") == 4 and shown.count("<figure") >= 5
