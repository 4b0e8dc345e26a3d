import pytest

from apparel.errors import UserError
from benchmarks import serve
from tests.support.running_server import png, running
from tests.support.stand_in_network import photo


def test_a_load_counts_answers_and_failures():
    photos = [serve.file_request(png(photo())), serve.file_request(b"no photo")]
    with running() as server:
        load = serve.load(server.port, photos, 2, 3)
        text = server.get("/metrics").body.decode()
    assert load.clients == 2
    assert load.seconds >= 3
    assert f'apparel_requests_total{{path="/detect",status="200"}} {len(load.latencies)}.0' in text
    assert f'apparel_requests_total{{path="/detect",status="422"}} {load.failures}.0' in text
    assert load.latencies
    assert load.failures


def test_a_row():
    load = serve.Load(8, 2.0, [0.010] * 98 + [0.5] * 2, 3)
    assert load.row("serve").split() == ["serve", "8", "50.0", "10", "500", "3"]
    assert "no answer, 4 failures" in serve.Load(1, 1, [], 4).row("serve")


def test_without_photos_or_a_model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="no photos"):
        serve.measure(tmp_path, 10, 1)
    (tmp_path / "a.png").write_bytes(png(photo()))
    with pytest.raises(UserError, match="dvc repro train"):
        serve.measure(tmp_path, 10, 1)
