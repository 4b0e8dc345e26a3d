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


def test_a_load_has_its_rate_and_latencies():
    load = serve.Load(8, 2.0, [0.010] * 98 + [0.5] * 2, 3)
    assert load.seconds_per_request() == 0.02
    assert load.latency() == "p50 10 ms, p99 500 ms, 3 failures"
    with pytest.raises(UserError, match="4 failed"):
        serve.Load(1, 1, [], 4).seconds_per_request()


def test_each_server_is_beside_mlflow_and_its_network_by_clients():
    calls = []

    def send(name, seconds_per_request):
        def load(clients, seconds):
            calls.append((name, clients))
            return serve.Load(clients, 10 * seconds_per_request, [0.01] * 10, 0)

        return load

    senders = {serve.MLFLOW: send("mlflow", 0.4), "serve, model": send("ours", 0.1)}
    rows = serve._rows(senders, {"serve, model": lambda clients, seconds: 0.05}, 1, 2)
    assert [call for call in calls if call[1] == 8] == [("mlflow", 8), ("ours", 8)] * 2
    assert [row.what for row in rows] == [f"serve, model, {clients} clients" for clients in (1, 1, 8, 8, 64, 64)]
    assert [row.ratio()[:4] for row in rows[:2]] == ["4.00", "0.50"]


def test_without_photos_or_a_model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="no photos"):
        serve.measure(tmp_path, 10, 1, 1)
    (tmp_path / "a.png").write_bytes(png(photo()))
    with pytest.raises(UserError, match="dvc repro train"):
        serve.measure(tmp_path, 10, 1, 1)
