"""The page at / of the server, in a browser: photos in, boxes over them, sliders, camera, keyboard, results."""

import base64
import csv
import dataclasses
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest

from apparel.evaluation import drawing
from apparel.serving import static_files
from tests.support import browser
from tests.support.page_scripts import CONTRAST, CONTROLS, DRAWN, FOCUSED, RED, TRANSFER
from tests.support.red_network import CLASSES, RedNetwork, red_photo
from tests.support.running_server import models_of, running

CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")

ENDED = "document.querySelectorAll('li[data-state=done], li[data-state=failed]').length"
SHOWN = "[...document.querySelectorAll('#photos .box')].filter(box => !box.hidden).length"


@pytest.fixture(scope="module")
def tab(tmp_path_factory):
    with browser.opened(tmp_path_factory.mktemp("browser"), *CAMERA) as tab:
        yield tab


@pytest.fixture
def server(tab):
    """A server with its page open in the tab, its model known."""
    with running(models_of(RedNetwork(), name="<i>champion</i>")) as server:
        open_page(tab, server)
        tab.wait_for("document.getElementById('model').textContent.includes('stand-in')")
        yield server
        assert tab.complaints() == []
        tab.open("about:blank")


def open_page(tab, server, **options) -> None:
    tab.events.clear()
    tab.open(f"http://127.0.0.1:{server.port}/", **options)


def add(tab, *paths: Path) -> None:
    """Chooses photos and waits until all are done."""
    number = tab.js(ENDED) + len(paths)
    tab.choose("#files", paths)
    tab.wait_for(f"{ENDED} === {number}")


def text(tab, selector: str) -> str:
    return tab.js(f"document.querySelector({json.dumps(selector)}).textContent")


def test_boxes_lie_on_what_they_are_of(tab, server, tmp_path):
    turned = [red_photo(tmp_path / f"turned-{number}.jpg", orientation=number) for number in (3, 6, 8)]
    webp = [red_photo(tmp_path / f"turned-{number}.webp", orientation=number, lossless=True) for number in range(1, 9)]
    wrong_name = red_photo(tmp_path / "webp.jpg", orientation=8, format="WEBP", lossless=True)
    others = [red_photo(tmp_path / "moving.gif"), red_photo(tmp_path / "plain.bmp")]
    png = red_photo(tmp_path / "turned.png", orientation=6)
    add(tab, red_photo(tmp_path / "plain.png"), *turned, *webp, wrong_name, *others, png)
    drawn, seen = tab.js(DRAWN), tab.js(RED)
    for boxes, red in zip(drawn, seen, strict=True):
        np.testing.assert_allclose(boxes, [[30, 40, 120, 180]], atol=1.5)
        np.testing.assert_allclose(red, [30, 40, 120, 180], atol=2)  # the picture is upright, too


def test_large_photos_are_shrunk_and_their_boxes_are_in_their_own_pixels(tab, server, tmp_path):
    large = red_photo(tmp_path / "large.jpg", (4000, 3000), (400, 600, 2000, 2400), orientation=6)
    add(tab, large)
    assert text(tab, "#photos .size") == "4000 × 3000 pixels, sent as 1600 × 1200"
    np.testing.assert_allclose(tab.js(DRAWN), [[[400, 600, 2000, 2400]]], atol=12)  # 10 pixels of it are one of 400
    sent = [e["params"]["request"] for e in tab.events if e["method"] == "Network.requestWillBeSent"]
    assert [request["url"].partition("?")[2] for request in sent if "detect" in request["url"]] == ["lowest_score=0.05"]


def test_sliders_and_classes_filter_without_a_request(tab, server, tmp_path):
    add(tab, red_photo(tmp_path / "a.png"), red_photo(tmp_path / "b.png"))
    assert tab.js(SHOWN) == 2  # score 0.75 is above the exact threshold 0.7475, which sliders cannot be set to
    before = tab.requests("/")

    def slide(selector: str, value: float) -> int:
        tab.js(
            f"(s => {{ s.value = {value}; s.dispatchEvent(new Event('input')) }})(document.querySelector('{selector}'))"
        )
        return tab.js(SHOWN)

    assert slide("#every", 0.76) == 0
    assert slide("#every", 0.2) == 4
    assert slide("#classes .row:nth-child(2) input[type=range]", 0.3) == 2
    tab.js("document.querySelector('#reset').click()")
    assert tab.js(SHOWN) == 2
    assert text(tab, "#classes output") == "0.75 (model)"
    assert text(tab, "#every-value") == "each its own"
    tab.js("document.querySelector('#classes input[type=checkbox]').click()")
    assert tab.js(SHOWN) == 0
    assert text(tab, "#photos .found") == "No garment is shown"
    tab.js("document.querySelector('#all-classes').click()")
    assert tab.js(SHOWN) == 2
    assert tab.requests("/") == before


def test_names_and_classes_with_html_are_text(tab, server, tmp_path):
    add(tab, red_photo(tmp_path / "<img src=x onerror=alert(2)>.png"))
    tab.js("document.querySelector('#table-part').open = true")
    tab.wait_for("document.querySelectorAll('#rows tr').length === 1")
    assert text(tab, "#photos .name") == "<img src=x onerror=alert(2)>.png"
    assert text(tab, "#photos .box:not([hidden])") == f"{CLASSES[0]} 0.75"
    assert "<i>champion</i>" in text(tab, "#model")
    assert tab.js("document.querySelectorAll('img').length") == 1
    assert tab.js("document.querySelector('#photos img').alt").endswith(f"1 garment: {CLASSES[0]} 0.75")


def test_a_photo_that_cannot_be_read_says_why_and_the_others_go_on(tab, server, tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"nothing")
    add(tab, tmp_path / "broken.jpg", red_photo(tmp_path / "good.png"))
    assert text(tab, "#photos .problem").startswith("cannot be read: is not a JPEG")
    tab.wait_for("document.querySelector('#status').textContent.startsWith('2 photos, 1 garment shown; 1 photo with')")
    tab.js("document.querySelector('#photos .again').click()")
    tab.wait_for(f"{ENDED} === 2")


def test_a_server_that_is_gone_is_said_and_asked_again(tab, tmp_path):
    with running(models_of(RedNetwork())) as server:
        open_page(tab, server)
        tab.wait_for("document.getElementById('model').textContent.includes('stand-in')")
    add(tab, red_photo(tmp_path / "a.png"))
    assert "does not answer" in text(tab, "#photos .problem")
    assert not tab.js("document.querySelector('#photos .again').hidden")


def test_a_newer_model_is_noticed(tab, server, tmp_path):
    server.network.metadata = dataclasses.replace(server.network.metadata, model="cd" * 16 + ".dir")
    add(tab, red_photo(tmp_path / "a.png"))
    tab.wait_for("document.querySelector('#model').textContent.includes('cdcdcdcd')")
    tab.wait_for("document.querySelector('#status').textContent.includes('another model')")


def test_fifty_photos_at_once(tab, server, tmp_path):
    photos = [red_photo(tmp_path / f"{number}.png", box=(10, 10, 60 + number, 60)) for number in range(50)]
    server.network.go.clear()  # the network waits, so that the progress can be seen
    tab.choose("#files", photos)
    tab.wait_for("document.querySelector('#status').textContent.startsWith('0 of 50 photos')")
    assert tab.requests("/detect") <= 3
    server.network.go.set()
    tab.wait_for(f"{ENDED} === 50")
    drawn = tab.js(DRAWN)
    np.testing.assert_allclose([boxes[0][2] for boxes in drawn], np.arange(60, 110), atol=1.5)  # each its own box
    assert "50 photos, 50 garments" in tab.wait_for("document.querySelector('#status').textContent")
    tab.js("document.querySelector('#clear').click()")
    assert tab.js("document.querySelectorAll('#photos li').length") == 0


@pytest.mark.parametrize(
    "event",
    [
        "new ClipboardEvent('paste', {clipboardData: transfer, bubbles: true})",
        "new DragEvent('drop', {dataTransfer: transfer, bubbles: true, cancelable: true})",
    ],
)
def test_paste_and_drop(tab, server, tmp_path, event):
    content = base64.b64encode(red_photo(tmp_path / "some.png").read_bytes()).decode()
    tab.js(TRANSFER % (content, event))
    tab.wait_for(f"{ENDED} === 1")
    np.testing.assert_allclose(tab.js(DRAWN), [[[30, 40, 120, 180]]], atol=1.5)


def test_a_wait_ends_after_the_next_frame_even_a_late_one(tab, server, tmp_path):
    tab.js("{ const frame = requestAnimationFrame; window.requestAnimationFrame = f => setTimeout(frame, 500, f); }")
    add(tab, red_photo(tmp_path / "a.png"))
    assert tab.js("[...document.querySelectorAll('#csv, #json, #copy')].map(button => button.disabled)") == [False] * 3


def test_everything_is_reached_by_keyboard_and_shows_it(tab, server, tmp_path):
    add(tab, red_photo(tmp_path / "a.png"))
    tab.js("document.activeElement.blur()")
    outlines = {}
    for _ in range(2 * tab.js(CONTROLS)):  # more than once around: -1 is the browser's own
        tab.press("Tab")
        number, outline = tab.js(FOCUSED)
        outlines[number] = outline
    outlines.pop(-1, None)
    assert set(outlines) == set(range(tab.js(CONTROLS)))
    assert set(outlines.values()) == {"solid"}
    tab.js("document.querySelector('#every').focus()")
    tab.press("End")
    assert tab.js(SHOWN) == 0
    assert tab.js("document.querySelector('#every').getAttribute('aria-valuetext')") == "1.00"
    tab.js("document.querySelector('#reset').focus()")
    tab.press("Enter")
    assert tab.js(SHOWN) == 1
    tab.js("document.querySelector('#classes input').focus()")
    tab.press(" ")
    assert tab.js(SHOWN) == 0
    tab.js("document.querySelector('#photos .remove').focus()")
    tab.press("Enter")
    assert tab.js("document.activeElement.id") == "files"


def test_the_camera_sends_one_frame_after_the_other(tab, server):
    server.network.go.clear()
    tab.js("document.querySelector('#camera-start').click()")
    tab.wait_for("document.querySelector('video').videoWidth > 0")
    tab.js("new Promise(resolve => setTimeout(resolve, 500))")
    assert tab.requests("/detect") == 1  # the second waits for the first's answer
    server.network.go.set()
    tab.wait_for("document.querySelector('#camera .found').textContent.includes('ms a frame')")
    tab.wait_for("performance.getEntriesByType('resource').filter(entry => entry.name.includes('detect')).length > 3")
    tab.js("document.querySelector('#camera-keep').click()")
    tab.wait_for(f"{ENDED} === 1")
    tab.js("document.querySelector('#camera-stop').click()")
    assert tab.js("document.querySelector('#camera').hidden && document.querySelector('video').srcObject === null")
    assert re.fullmatch(r"camera [-0-9 ]+\.jpg", text(tab, "#photos .name"))


def test_a_camera_away_from_https_and_localhost_cannot_be_started(tab, server):
    assert "https or localhost" in text(tab, "#camera-note")
    script = tab.call(
        "Page.addScriptToEvaluateOnNewDocument",
        source="Object.defineProperty(window, 'isSecureContext', {value: false})",
    )
    open_page(tab, server)
    tab.call("Page.removeScriptToEvaluateOnNewDocument", identifier=script["identifier"])
    assert tab.wait_for("document.querySelector('#camera-start').disabled")


def test_results_as_csv_json_and_table(tab, server, tmp_path):
    add(tab, red_photo(tmp_path / 'a, "b".png'))
    # What a click would save, and what it would put on the clipboard.
    tab.js(
        "URL.createObjectURL = blob => (window.saved = blob.text(), 'blob:none');"
        "HTMLAnchorElement.prototype.click = () => {};"
        "navigator.clipboard.writeText = async text => { window.copied = text }"
    )
    tab.js("document.querySelector('#csv').click()")
    columns, row = csv.reader(io.StringIO(tab.js("window.saved")))
    assert columns == ["file", "class", "score", "xmin", "ymin", "xmax", "ymax", "threshold"]
    assert (row[0], row[1], float(row[7])) == ('a, "b".png', CLASSES[0], 0.7475)
    np.testing.assert_allclose([float(value) for value in row[2:7]], [0.75, 30, 40, 120, 180], atol=1.5)
    tab.js("document.querySelector('#json').click()")
    saved = json.loads(tab.js("window.saved"))
    assert saved["model"] == {"name": "<i>champion</i>", "hash": "ab" * 16 + ".dir", "runtime": "stand-in"}
    (photo,) = saved["photos"]
    assert (photo["name"], photo["width"], photo["height"], photo["problem"]) == ('a, "b".png', 300, 200, None)
    assert [(found["class"], found["shown"]) for found in photo["detections"]] == [
        (CLASSES[0], True),
        (CLASSES[1], False),
    ]
    tab.js("document.querySelector('#copy').click()")
    assert tab.wait_for("window.copied").splitlines()[1].split("\t")[:3] == ['a, "b".png', CLASSES[0], "0.75"]
    tab.wait_for("document.querySelector('#copied').textContent === 'Copied.'")


@pytest.mark.parametrize("width", [400, 1400])
@pytest.mark.parametrize("dark", [False, True])
def test_contrast_and_width(tab, server, tmp_path, width, dark):
    open_page(tab, server, width=width, dark=dark)
    tab.wait_for("document.getElementById('model').textContent.includes('stand-in')")
    (tmp_path / "broken.jpg").write_bytes(b"nothing")
    tab.js("document.querySelectorAll('details').forEach(part => part.open = true)")
    add(tab, tmp_path / "broken.jpg", red_photo(tmp_path / ("long name " * 20 + ".png")))
    assert tab.js("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    contrasts = tab.js(CONTRAST)
    assert len(contrasts) > 20
    assert [text for text, contrast in contrasts if contrast < 4.5] == []


def test_nothing_moves_while_boxes_come_in(tab, server, tmp_path):
    server.network.go.clear()
    tab.choose("#files", [red_photo(tmp_path / f"{number}.png", (200, 100 + 50 * number)) for number in range(4)])
    tab.wait_for("document.querySelectorAll('#photos li').length === 4")
    places = "[...document.querySelectorAll('#photos li')].map(card => Math.round(card.getBoundingClientRect().top))"
    before = tab.js(places)
    server.network.go.set()
    tab.wait_for(f"{ENDED} === 4")
    assert tab.js(places) == before


def test_colours_are_those_of_the_projects_pictures():
    script = (static_files.FOLDER / "page_filter.js").read_text(encoding="utf-8")
    assert re.findall("#[0-9A-F]{6}", script) == list(drawing.COLOURS)


def test_the_page_names_no_other_address():
    for file in static_files.FOLDER.glob("page*"):
        assert not re.search(r"https?://|//[a-z]+\.", file.read_text(encoding="utf-8")), file
