"""The page of a prediction run in Chromium: filters, keyboard, and names that try to run as scripts."""

import html
import json
import re

import pytest

from apparel.analysis.predictions import page_data
from apparel.analysis.predictions.page import write_page
from tests.support import chromium
from tests.support.detection_tables import HOSTILE_NAMES, detections
from tests.support.prediction_run import write_run

TOOLS = """
const pause = () => new Promise(requestAnimationFrame);
const until = async isSo => { for (let tries = 0; tries < 600 && !isSo(); tries += 1) await pause(); };
const nameAt = place => { const {chunk, index} = photo(order[place]); return chunk.names[index]; };
const names = () => [...cells.keys()].sort((a, b) => a - b).map(nameAt);
const set = (id, value) => { byId(id).value = value; byId(id).dispatchEvent(new Event("input")); return names(); };
const keydown = key => new KeyboardEvent("keydown", {key, bubbles: true});
const press = (key, at = document.activeElement) => at.dispatchEvent(keydown(key));
const rects = () => [...document.querySelectorAll("#grid rect[stroke]")].map(rect => rect.getAttribute("x")).sort();
"""


def in_browser(page, script, profile):
    """What an asynchronous script returns in the page, once all data is loaded."""
    started = f"""if (typeof photos !== "undefined" && photos === run.photos && !window.started) {{
        window.started = true;
        (async () => {{ {TOOLS} {script} }})()
            .catch(error => String(error.stack))
            .then(result => {{ document.body.dataset.result = JSON.stringify(result); }});
    }}"""
    document = chromium.wait_for(["data-result="], page.resolve().as_uri(), profile, started)
    return json.loads(html.unescape(re.search(r'data-result="(.*?)"', document, re.DOTALL)[1]))


@pytest.fixture
def small_page(tmp_path, monkeypatch):
    """Seven photos in four files of data; the threshold of dresses is a score that one detection has exactly."""
    monkeypatch.setattr(page_data, "CHUNK", 2)
    dress, top = ("Dresses", 0.7, (10, 5, 30, 35)), ("Tops", 0.95, (20, 5, 30, 35))
    weak = ("Dresses", 0.6999999, (40, 5, 50, 30))
    tables = [[dress], [], [top, dress], [weak], [top], [top, top, dress, weak], []]
    names = ["c10.jpg", "c9.jpg", "shop/b.jpg", "d.jpg", "e.jpg", "f.jpg", "g.jpg"]
    write_run(tmp_path, {name: detections(*rows) for name, rows in zip(names, tables, strict=True)})
    return write_page(tmp_path, {"Dresses": 0.7, "Tops": 0.5, "Skirts": 0.5}, {"Model": "<b>five</b>"})


def test_filters_and_sorting(small_page, tmp_path):
    steps = """
    const seen = {all: names(), boxes: rects(), status: byId("shown").textContent};
    const [dresses, tops, skirts] = byId("classes").querySelectorAll("button");
    dresses.click(); seen.dresses = names(); seen.dressBoxes = rects();
    seen.pressed = dresses.getAttribute("aria-pressed");
    seen.noDress = set("most", 0); set("most", "");
    tops.click(); seen.two = set("fewest", 2); set("fewest", "");
    dresses.click(); tops.click(); skirts.click(); seen.skirts = names(); skirts.click();
    seen.sure = set("lowest", 0.9); seen.sureBoxes = rects(); set("lowest", 0);
    seen.search = set("search", "SHOP/"); set("search", "");
    for (const by of ["name", "most", "fewest", "surest", "unsure"]) seen[by] = set("sort", by);
    set("sort", "order");
    const slider = byId("thresholds").querySelector("input");
    slider.value = 0.5; slider.dispatchEvent(new Event("input"));
    seen.lower = rects();
    set("fewest", 9); byId("reset").click();
    seen.reset = names(); seen.resetBoxes = rects();
    byId("boxes").click(); seen.hidden = getComputedStyle(document.querySelector("#grid svg")).display;
    return seen;
    """
    seen = in_browser(small_page, steps, tmp_path / "profile")
    names = ["c10.jpg", "c9.jpg", "shop/b.jpg", "d.jpg", "e.jpg", "f.jpg", "g.jpg"]
    at_thresholds = ["10", "10", "10", "20", "20", "20", "20"]
    assert seen == {
        "all": names,
        "boxes": at_thresholds,
        "status": "7 of 7 photos, 7 garments",
        "dresses": ["c10.jpg", "shop/b.jpg", "f.jpg"],
        "dressBoxes": ["10", "10", "10"],
        "pressed": "true",
        "noDress": ["c9.jpg", "d.jpg", "e.jpg", "g.jpg"],
        "two": ["shop/b.jpg", "f.jpg"],
        "skirts": [],
        "sure": names,
        "sureBoxes": ["20", "20", "20", "20"],
        "search": ["shop/b.jpg"],
        "name": ["c9.jpg", "c10.jpg", "d.jpg", "e.jpg", "f.jpg", "g.jpg", "shop/b.jpg"],
        "most": ["f.jpg", "shop/b.jpg", "c10.jpg", "e.jpg", "c9.jpg", "d.jpg", "g.jpg"],
        "fewest": ["c9.jpg", "d.jpg", "g.jpg", "c10.jpg", "e.jpg", "shop/b.jpg", "f.jpg"],
        "surest": ["shop/b.jpg", "e.jpg", "f.jpg", "c10.jpg", "c9.jpg", "d.jpg", "g.jpg"],
        "unsure": ["c10.jpg", "shop/b.jpg", "e.jpg", "f.jpg", "c9.jpg", "d.jpg", "g.jpg"],
        "lower": [*at_thresholds, "40", "40"],
        "reset": names,
        "resetBoxes": at_thresholds,
        "hidden": "none",
    }


def test_keyboard_and_the_large_view(small_page, tmp_path):
    steps = """
    const seen = {};
    const at = () => document.activeElement.dataset.position, open = () => byId("viewer-name").textContent;
    document.querySelector(".cell").focus(); press("ArrowRight"); press("ArrowRight"); seen.focus = at();
    press("End"); seen.end = at(); press("Home"); press("ArrowRight"); press("ArrowRight");
    document.activeElement.click(); seen.opened = [viewer.open, open(), byId("viewer-place").textContent];
    seen.rows = [...byId("viewer-rows").rows].map(row => [...row.cells].map(cell => cell.textContent));
    await new Promise(done => setTimeout(done, 300));
    seen.loaded = byId("viewer-photo").querySelector("img").naturalWidth;
    press("ArrowRight", window); seen.next = open();
    press("ArrowLeft", window); press("ArrowLeft", window); seen.previous = open();
    seen.none = byId("viewer-rows").textContent;
    for (let i = 0; i < 20; i++) press("ArrowRight", window);
    seen.last = [open(), byId("next").disabled, byId("previous").disabled];
    press("ArrowLeft", window); seen.back = open();
    viewer.close(); await pause(); await pause(); seen.after = at();
    seen.tabStops = document.querySelectorAll("#grid [tabindex='0']").length;
    return seen;
    """
    seen = in_browser(small_page, steps, tmp_path / "profile")
    assert seen == {
        "focus": "2",
        "end": "6",
        "opened": [True, "shop/b.jpg", "3 of 7"],
        "rows": [
            ["Tops", "0.950", "0.500", "20.0", "5.0", "10.0", "30.0"],
            ["Dresses", "0.700", "0.700", "10.0", "5.0", "20.0", "30.0"],
        ],
        "loaded": 60,
        "next": "d.jpg",
        "previous": "c9.jpg",
        "none": "no garment",
        "last": ["g.jpg", True, False],
        "back": "f.jpg",
        "after": "5",
        "tabStops": 1,
    }


def test_only_what_is_in_view_is_in_the_document(tmp_path):
    write_run(tmp_path, dict.fromkeys([f"{number}.jpg" for number in range(400)], detections()))
    page = write_page(tmp_path, {"a": 0.5}, {})
    steps = """
    await until(() => cells.size);
    const seen = {first: names().slice(0, 2), few: cells.size < 120};
    scrollTo(0, 1e9); await until(() => names().at(-1) === "399.jpg");
    seen.last = names().at(-1); seen.stillFew = cells.size < 120; seen.gone = names().includes("0.jpg");
    return seen;
    """
    seen = in_browser(page, steps, tmp_path / "profile")
    assert seen == {"first": ["0.jpg", "1.jpg"], "few": True, "last": "399.jpg", "stillFew": True, "gone": False}


def test_hostile_names_are_shown_as_text(tmp_path):
    classes = {
        "</script><script>document.title='run'</script>": 0.5,
        "<img src=x onerror=\"document.title='run'\">": 0.5,
    }
    found = detections(*[(name, 0.9, (0, 0, 9, 9)) for name in classes])
    write_run(tmp_path, dict.fromkeys(HOSTILE_NAMES, found))
    page = write_page(tmp_path, classes, {"Model": "</p><script>document.title='run'</script>"})
    steps = """
    const seen = {scripts: document.scripts.length, strange: document.querySelectorAll("img:not(.photo img)").length};
    const openAt = place => { openViewer(place); return byId("viewer-name").textContent; };
    seen.opened = [...order.keys()].map(openAt);
    viewer.close();
    const images = [...document.querySelectorAll(".cell img")];
    await Promise.all(images.map(image => image.decode()));
    seen.alts = images.map(image => image.alt);
    seen.title = document.title;
    seen.classes = [...byId("classes").querySelectorAll("bdi")].map(bdi => bdi.textContent);
    seen.fact = document.querySelector("p bdi").textContent;
    return seen;
    """
    seen = in_browser(page, steps, tmp_path / "profile")
    names = [name.encode(errors="backslashreplace").decode() for name in HOSTILE_NAMES]
    assert seen["title"] == f"Detections on {len(names)} photos"
    assert (seen["scripts"], seen["strange"]) == (1, 0)
    assert seen["opened"] == names
    assert seen["alts"] == [f"{name}: {', '.join(f'{kind} 0.90' for kind in classes)}" for name in names]
    assert seen["classes"] == [f"{kind} {len(names)}" for kind in classes]
    assert seen["fact"] == "</p><script>document.title='run'</script>"


def test_a_run_without_photos_and_one_with_problems(tmp_path):
    write_run(tmp_path, {})
    (tmp_path / "problems.csv").write_text("file,problem\na.jpg,damaged\n")
    text = write_page(tmp_path, {"a": 0.5}, {}).read_text()
    assert "0 photos, 0 detections." in text
    assert '<a href="problems.csv">problems.csv</a> (1 photo could not be read)' in text
    text = write_page(tmp_path, {"a": 0.5}, {}).read_text()  # again, over the first
    assert not re.search(r"https?://(?!www\.w3\.org/)", text)


def test_data_that_is_missing_is_named(small_page, tmp_path):
    (tmp_path / "page" / "00001.js").unlink()
    document = chromium.dom(small_page, tmp_path / "profile")
    assert "page/00001.js is missing" in document
    assert "5 of 5 photos, 5 garments" in document
