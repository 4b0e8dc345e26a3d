"""The model card: figures, strata, pictures and texts, as a page and as Markdown."""

import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from PIL import Image

from apparel.analysis import card_sources, model_card
from apparel.analysis.card_sources import Sources
from apparel.tracking.reader import StoredRun
from tests.support.result_sets import NAMES, finds, result_set

RUN = StoredRun(
    "f" * 32, "a run", "FINISHED", {}, {"machine.cpu": "a processor"}, {"test/seconds_per_photo": 0.0125}, {}
)
SOURCES = Sources([("Tops", "3", "1", "2", "6")], "Photos: 2 in train.", [("data", "a", "CC0")], [("run", "r")], {})
PROMOTION = {
    "promote.result": "forced",
    "promote.over": "garments version 1",
    "promote.missing": "mAP50: worse",
    "promote.reason": "a <b>new</b> shop | *now*",
}


def photo(_):
    data = io.BytesIO()
    Image.new("RGB", (100, 100), "grey").save(data, "PNG")
    return data.getvalue()


@pytest.fixture
def results():
    hostile = [*NAMES[:-1], "<script>x</script>.jpg"]
    detections = finds(hostile[:20], wrong=hostile[25:])
    return replace(result_set("new", detections, names=hostile, params={"data.name": "shop"}), read_photo=photo)


def collect(results, monkeypatch, sources=SOURCES, run=RUN, promotion=PROMOTION):
    monkeypatch.setattr(card_sources, "find", lambda *_: sources)
    return model_card.collect(results, run, None, "garments version 2", promotion)


def test_the_card_has_all_sections_and_the_figures(results, monkeypatch, tmp_path):
    card = collect(results, monkeypatch)
    files = model_card.write(card, tmp_path / "card")
    text = (tmp_path / "card" / "model_card.md").read_text(encoding="utf-8")
    titles = re.findall("^## (.*)$", text, re.MULTILINE)
    assert titles == [
        "In short", "What it is for, and what not", "What it was trained on", "Figures on the test photos",
        "By size of the garment", "By number of garments on the photo", "Where it fails", "Speed", "Licences",
        "Where it comes from",
    ]  # fmt: skip
    assert "on 30 test photos with 30 garments of the classes Tops." in text
    assert "data set shop" in text and "drawn by a program" not in text
    assert "| 1 garment | 30 | 30 |" in text and "| below 5% of the photo | 30 | 30 |" in text
    assert "12.5 ms a photo" in text and "a processor" in text and "CC0" in text
    assert "reason given: a &#60;b&#62;new&#60;/b&#62; shop &#124; &#42;now&#42;" in text
    pictures = re.findall(r"\]\((photo-\d\.jpg)\)", text)
    assert pictures and {file.name for file in files} == {"index.html", "model_card.md", *pictures}


def test_the_page_is_whole_safe_and_has_texts_for_its_pictures(results, monkeypatch, tmp_path):
    model_card.write(collect(results, monkeypatch), tmp_path / "card")
    page = (tmp_path / "card" / "index.html").read_text(encoding="utf-8")
    assert "<script" not in page and "http" not in page.replace("http-equiv", "")
    pictures = []

    class Pictures(HTMLParser):
        def handle_starttag(self, tag, attributes):
            pictures.extend([dict(attributes)] if tag == "img" else [])

    Pictures().feed(page)
    assert len(pictures) == model_card.PICTURES
    for picture in pictures:
        assert picture["src"].startswith("data:image/jpeg;base64,")
        assert re.search(r"\d right, \d wrong, \d missed\. Left: Tops\. Right, detected: ", picture["alt"])


def test_unknown_things_are_said(results, monkeypatch):
    run = replace(RUN, metrics={})
    nowhere = result_set("new", finds(NAMES[:9]), params={"data.name": "demo"})
    text = model_card.markdown(collect(nowhere, monkeypatch, replace(SOURCES, counts=None), run, {}))
    for sentence in (
        "How many photos and boxes there were is unknown",
        "How long a photo takes is unknown.",
        "The photos themselves are not at hand.",
        "drawn by a program",
    ):
        assert sentence in text
    assert "Promotion" not in text


def test_the_description_in_mlflow_is_short_and_without_pictures(results, monkeypatch):
    many = replace(SOURCES, parameters={f"train.key{number}": "x" * 60 for number in range(100)})
    text = model_card.summary(collect(results, monkeypatch, many))
    assert len(text) <= model_card.LONGEST_DESCRIPTION
    assert "## In short" in text and "## Licences" in text
    assert "photo-1.jpg" not in text and "train.key99" not in text
