import json
import re
from html import unescape

import pandas as pd
import pytest

from apparel import paths
from apparel.cli import results as command
from apparel.errors import UserError
from apparel.evaluation import metrics, report
from tests.support import chromium, small_eval
from tests.support.small_eval import CLASSES, NAMES


@pytest.fixture
def written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return small_eval.write()


def test_files_agree_with_what_was_measured(written):
    headline = json.loads(paths.METRICS.read_text(encoding="utf-8"))
    assert headline.keys() == {"test"}
    assert headline["test"]["mAP50"] == pytest.approx(1 / 3, abs=1e-6)
    assert headline["test"]["AP50"] == {"Dresses": None, CLASSES[1]: pytest.approx(1 / 3, abs=1e-6)}
    table = report.read_per_class()
    assert table["split"].tolist() == ["test"] * 3 + ["val"] * 3
    assert table.loc[table["class"] == "Dresses", "AP50"].isna().all()
    detections = pd.read_csv(paths.DETECTIONS)
    assert len(detections) == 3 and (detections["verdict"] == metrics.TRUE_POSITIVE).sum() == 1
    pairs = pd.read_csv(paths.CONFUSION)
    assert sorted(map(tuple, pairs.to_numpy())) == [
        ("Tops <b>&", "Dresses"),
        ("Tops <b>&", "Tops <b>&"),
        ("Tops <b>&", "background"),
        ("background", "Tops <b>&"),
    ]


def test_same_bytes_twice_and_no_file_beyond_those_in_paths(written):
    def content():
        files = sorted(path for path in paths.EVAL.rglob("*") if path.is_file())
        return {path: path.read_bytes() for path in files}

    first = content()
    small_eval.write()
    assert content() == first
    assert {path for path in first if path.parent != paths.EVAL_PICTURES} == set(paths.EVAL_FILES)
    assert all(re.fullmatch(r"[\w-]+\.(jpg|svg)", path.name) for path in first if path.parent == paths.EVAL_PICTURES)


def test_page_loads_nothing_from_a_network_and_escapes_names(written):
    page = paths.EVAL_PAGE.read_text(encoding="utf-8")
    assert not re.findall(r"(?:src|href)=\"(?!data:|#)", page)
    assert page.count("<script") == 1 and "<b>" not in page
    assert NAMES[1] in unescape(page)
    assert str(paths.EVAL.resolve()) not in page


def test_page_shows_the_table_in_a_browser(written, tmp_path):
    page = chromium.dom(paths.EVAL_PAGE, tmp_path / "profile")
    assert page.count("0.333") >= 3
    assert page.count("<img") == 2 + 4  # two plots; four photos
    assert "Weakest" not in page and "Tops &lt;b&gt;&amp;, AP50 0.33: 1 of 2 detections is wrong, on background" in page


def shown_photos(address, folder):
    """The names of the photos that the page shows at an address such as `index.html#wrong`, and its line about them."""
    page = chromium.dom(paths.EVAL_PAGE, folder / "profile", address)
    figures = re.findall(
        r'<figure data-tags="[^"]*"( hidden="")?>.*?<figcaption>[^·]* · (.*?)</figcaption>', page, re.S
    )
    line = re.search(r'id="shown"[^>]*>(.*?)</p>', page).group(1)
    return [unescape(name) for hidden, name in figures if not hidden], unescape(line)


def test_a_number_of_the_page_leads_to_its_photos(written, tmp_path):
    every = {NAMES[1], NAMES[2], NAMES[3], NAMES[0]}
    photos, line = shown_photos("", tmp_path)
    assert set(photos) == every and photos[-1] == NAMES[0] and line == ""  # lowest F1 first
    assert shown_photos("#wrong-1", tmp_path) == ([NAMES[3]], f"1 photo: {CLASSES[1]}: wrong")
    photos, line = shown_photos("#missed", tmp_path)
    assert set(photos) == {NAMES[1], NAMES[2]} and line == "2 photos: any class: missed"
    assert shown_photos("#pair-1-0", tmp_path) == ([NAMES[1]], f"1 photo: {CLASSES[1]} taken for {CLASSES[0]}")
    assert set(shown_photos("#nothing-of-the-page", tmp_path)[0]) == every


def test_missing_and_damaged_results_are_errors(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="dvc repro"):
        report.read_per_class()
    paths.PER_CLASS.parent.mkdir(parents=True)
    paths.PER_CLASS.write_text("nonsense\n1\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"per_class\.csv"):
        report.read_per_class()
    header = ",".join(report.PER_CLASS_COLUMNS)
    for damage in (header, header + "\n" + ",".join(["test", "Tops", *["?"] * 19])):
        paths.PER_CLASS.write_text(damage + "\n", encoding="utf-8")
        with pytest.raises(UserError, match=r"per_class\.csv"):
            command.main(None)


def test_the_description_is_short_and_names_hold_no_markdown():
    text = report.markdown(small_eval.split("test", dict.fromkeys(CLASSES, 0.5)))
    lines = text.splitlines()
    assert lines[0].startswith("**mAP50 0.333** (")
    assert "Tops &#60;b&#62;&#38;, AP50 0.33" in lines[2] and "<" not in text
    assert [line.split(" | ")[1:3] for line in lines[-3:]] == [["0", "-"], ["3", "0.333"], ["3", "0.333"]]
