import base64
import io
import threading

import numpy as np
import pytest
from PIL import Image

from apparel import images
from apparel.inference import predictor
from apparel.serving.limits import Limits
from tests.support import servers, stand_in_network
from tests.support.running_server import models_of, png, running
from tests.support.stand_in_network import StandInNetwork, photo

PHOTO = ("a.png", png(photo()))

BOX = {"xmin": 48.0, "ymin": 0.0, "xmax": 96.0, "ymax": 64.0}

BRIGHT = {"class": "bright", "score": 0.75, "box": BOX, "threshold": 0.6, "shown": True}

DIM = {"class": "dim", "score": 0.25, "box": BOX, "threshold": 0.5, "shown": False}


@pytest.fixture(scope="module")
def server():
    with running() as server:
        yield server


def test_a_photo_as_a_file(server):
    answer = server.detect(PHOTO)
    assert answer.status == 200
    assert answer.json == {
        "model": {"name": "tests", "hash": "0" * 32 + ".dir", "runtime": "stand-in"},
        "photos": [{"name": "a.png", "width": 96, "height": 64, "detections": [BRIGHT], "problem": None}],
    }


def test_photos_as_base64_in_any_form(server):
    text = base64.b64encode(PHOTO[1]).decode()
    wrapped = "\n".join(text[start : start + 76] for start in range(0, len(text), 76))
    body = [{"name": "a.png", "image": text}, {"image": f"data:image/png;base64,{wrapped}"}]
    photos = server.detect_json({"photos": body}).json["photos"]
    assert [entry["name"] for entry in photos] == ["a.png", "photo 2"]
    assert photos[0]["detections"] == photos[1]["detections"] == [BRIGHT]


def test_the_lowest_score_lists_what_is_not_shown(server):
    assert server.detect(PHOTO, query="?lowest_score=0.25").json["photos"][0]["detections"] == [BRIGHT, DIM]
    assert server.detect(PHOTO, query="?lowest_score=0.26").json["photos"][0]["detections"] == [BRIGHT]
    assert server.detect(PHOTO, query="?lowest_score=0.9").json["photos"][0]["detections"] == []


@pytest.mark.parametrize("value", ["nan", "inf", "-0.1", "1.1", "x", ""])
def test_a_lowest_score_that_is_none(server, value):
    answer = server.detect(PHOTO, query=f"?lowest_score={value}")
    assert answer.status == 422
    assert "lowest_score" in answer.json["error"]


def test_a_parameter_that_does_not_exist(server):
    answer = server.detect(PHOTO, query="?lowest_scor=0.5")
    assert answer.status == 422
    assert "lowest_scor" in answer.json["error"]


def test_a_phones_heic_is_read(server):
    images._register_heif()
    stored = io.BytesIO()
    photo().save(stored, "HEIF", quality=95)
    (answer,) = server.detect(("a.heic", stored.getvalue())).json["photos"]
    assert (answer["width"], answer["height"], answer["problem"]) == (96, 64, None)
    assert [found["class"] for found in answer["detections"]] == ["bright"]


def test_a_turned_photo_is_found_upright(server):
    stored = photo(64, 96).transpose(Image.Transpose.ROTATE_90)  # a viewer turns it back
    exif = Image.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    stored.save(file, "JPEG", exif=exif, quality=100)
    entry = server.detect(("a.jpg", file.getvalue())).json["photos"][0]
    assert (entry["width"], entry["height"]) == (64, 96)
    assert entry["detections"][0]["box"] == {"xmin": 32.0, "ymin": 0.0, "xmax": 64.0, "ymax": 96.0}


def test_each_photo_has_its_own_problem(server):
    photos = [("a.png", PHOTO[1]), ("cut.png", PHOTO[1][:60]), ("../../etc/hosts", b"127.0.0.1"), ("none.png", b"")]
    entries = server.detect(*photos).json["photos"]
    assert [entry["name"] for entry in entries] == ["a.png", "cut.png", "hosts", "none.png"]
    assert entries[0]["problem"] is None
    assert [entry["detections"] for entry in entries[1:]] == [[], [], []]
    assert "damaged" in entries[1]["problem"]
    assert "is not a" in entries[2]["problem"]
    assert entries[3]["problem"] == "the file is empty"


def test_no_photo_can_be_read(server):
    answer = server.detect(("a.jpg", b"x"))
    assert answer.status == 422
    assert answer.json["error"].startswith("no photo of the request can be read: a.jpg: is not a JPEG")


def test_a_problem_does_not_repeat_the_name_whatever_it_is(server):
    entries = server.detect(("a; b.jpg", b"x"), ("a.png", PHOTO[1])).json["photos"]
    assert entries[0]["name"] == "a; b.jpg"
    assert entries[0]["problem"].startswith("is not a JPEG")


def test_too_many_pixels():
    with running(limits=Limits(pixels=1000)) as server:
        entries = server.detect(("large.png", png(photo())), ("small.png", png(photo(40, 20)))).json["photos"]
    assert entries[0]["problem"] == "96 x 64 pixels are more than the 1,000 that a photo may have"
    assert entries[1]["problem"] is None


def test_more_photos_than_wait_at_once_are_told_when_to_come_back():
    with running(limits=Limits(queue=2)) as server:
        server.network.go.clear()
        first = []
        thread = threading.Thread(target=lambda: first.append(server.detect(PHOTO, PHOTO)))
        thread.start()
        servers.wait_for(lambda: b"apparel_photos_waiting 2.0" in server.get("/metrics").body)
        refused = server.detect(PHOTO)
        assert server.get("/healthz").status == 200  # what is slow blocks nothing else
        server.network.go.set()
        thread.join()
        assert (refused.status, refused.headers["retry-after"]) == (503, "2")
        assert first[0].status == 200
        assert server.detect(PHOTO).status == 200


def test_photos_that_wait_too_long_are_given_up():
    with running(limits=Limits(answer_seconds=0.5)) as server:
        server.network.go.clear()
        answer = server.detect(PHOTO)
        assert (answer.status, answer.headers["retry-after"]) == (503, "10")
        server.network.go.set()
        assert server.detect(PHOTO).status == 200


def test_a_network_that_fails_is_an_error_without_a_traceback():
    network = StandInNetwork()
    with running(models_of(network)) as server:
        network.metadata = None
        answer = server.get("/model")
        assert answer.status == 500
        assert answer.json == {"error": "the server failed; its log says why"}
        assert server.get("/healthz").status == 200


def test_without_a_model_it_lives_and_is_not_ready():
    models = models_of(StandInNetwork())
    with running(models) as server:
        models.stop()
        assert server.get("/healthz").status == 200
        for answer in (server.get("/readyz"), server.get("/model"), server.detect(PHOTO)):
            assert (answer.status, answer.headers["retry-after"]) == (503, "5")


def test_the_model(server):
    assert server.get("/readyz").json == {"status": "ready", "outdated": False}
    assert server.get("/model").json == {
        "name": "tests",
        "hash": "0" * 32 + ".dir",
        "runtime": "stand-in",
        "classes": list(stand_in_network.CLASSES),
        "thresholds": stand_in_network.THRESHOLDS,
        "width": 48,
        "height": 32,
    }


def test_no_such_path_or_method(server):
    for answer, status in ((server.get("/x"), 404), (server.get("/../README.md"), 404), (server.get("/detect"), 405)):
        assert answer.status == status
        assert set(answer.json) == {"error"}


def test_the_description_of_the_api_needs_no_other_server(server):
    page = server.get("/docs")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert b"http" not in page.body.replace(b"multipart", b"")
    assert {"/detect", "/model", "/healthz", "/readyz", "/metrics"} == set(server.get("/openapi.json").json["paths"])


def test_the_same_boxes_as_the_predictor_gives(server):
    random = np.random.default_rng(0)
    photos = [photo(*map(int, random.integers(20, 400, 2))) for _ in range(12)]
    network = StandInNetwork()
    expected = predictor.detect(network, photos)
    answer = server.detect(
        *((f"{number}.png", png(image)) for number, image in enumerate(photos)), query="?lowest_score=0"
    )
    rows = [
        (number, found["class"], found["score"], *found["box"].values())
        for number, entry in enumerate(answer.json["photos"])
        for found in entry["detections"]
    ]
    assert rows == list(expected.itertuples(index=False, name=None))
