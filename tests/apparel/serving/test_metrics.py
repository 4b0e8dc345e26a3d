import re

from apparel.serving.models import Models
from tests.support.running_server import models_of, png, running
from tests.support.stand_in_network import StandInNetwork, photo


def value(text: str, name: str) -> float:
    return float(re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)[1])


def test_counts_of_requests_photos_and_detections():
    with running() as server:
        server.detect(("a.png", png(photo())), ("b.png", png(photo())), ("c.png", b"x"), query="?lowest_score=0")
        server.detect(("c.png", b"x"))
        server.get("/any/path?x=1")
        server.get("/other")
        answer = server.get("/metrics")
    text = answer.body.decode()
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert value(text, 'apparel_requests_total{path="/detect",status="200"}') == 1
    assert value(text, 'apparel_requests_total{path="/detect",status="422"}') == 1
    assert value(text, 'apparel_requests_total{path="other",status="404"}') == 2
    assert value(text, 'apparel_request_seconds_count{path="/detect"}') == 2
    assert value(text, 'apparel_photos_total{outcome="detected"}') == 2
    assert value(text, 'apparel_photos_total{outcome="problem"}') == 2
    assert value(text, 'apparel_detections_total{class="bright"}') == 2
    assert 'class="dim"' not in text  # below its threshold
    assert value(text, "apparel_photos_waiting") == 0
    assert value(text, "apparel_model_loaded") == 1
    assert value(text, f'apparel_model_info{{hash="{"0" * 32}.dir",name="tests",runtime="stand-in"}}') == 1


def test_a_newer_model_that_cannot_be_loaded_shows(tmp_path):
    models = models_of(StandInNetwork())
    models._resolve = lambda name: tmp_path / "missing"
    with running(models) as server:
        assert not models.update()
        text = server.get("/metrics").body.decode()
        assert server.get("/readyz").json == {"status": "ready", "outdated": True}
    assert value(text, "apparel_model_outdated") == 1
    assert value(text, "apparel_model_failures_total") == 1
    assert value(text, "apparel_model_loads_total") == 1


def test_without_a_model():
    with running(Models("a", None, None)) as server:
        text = server.get("/metrics").body.decode()
    assert value(text, "apparel_model_loaded") == 0
    assert "apparel_model_info" not in text
