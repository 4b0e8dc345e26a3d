import pytest

from apparel.serving.access import HEADERS, WITHOUT_TOKEN, is_local
from tests.support.running_server import running

TOKEN = "0123456789abcdef"


@pytest.fixture(scope="module")
def server():
    with running(hosts=["Detector.example.org"]) as server:
        yield server


@pytest.fixture(scope="module")
def closed_server():
    with running(token=TOKEN) as server:
        yield server


@pytest.mark.parametrize(
    ("host", "local"),
    [("127.0.0.1", True), ("localhost", True), ("::1", True), ("0.0.0.0", False), ("", False), ("shop", False)],
)
def test_local_addresses(host, local):
    assert is_local(host) is local


@pytest.mark.parametrize(
    "host",
    ["localhost:8000", "127.0.0.1", "10.1.2.3:80", "[::1]:8000", "detector.example.org", "DETECTOR.example.org:1"],
)
def test_hosts_that_are_the_servers(server, host):
    assert server.get("/healthz", Host=host).status == 200


@pytest.mark.parametrize(
    "host", ["evil.example.org", "localhost.evil.org", "127.0.0.1.evil.org", "[", "a@evil.org", ""]
)
def test_other_hosts_are_refused(server, host):
    answer = server.get("/model", Host=host)
    assert answer.status == 400
    assert "Host" in answer.json["error"]


@pytest.mark.parametrize("origin", ["http://evil.example.org", "null", "http://[", "http://localhost.evil.org"])
def test_pages_of_other_sites_are_refused(server, origin):
    assert server.get("/model", Host="localhost", Origin=origin).status == 403
    assert "access-control-allow-origin" not in server.ask("OPTIONS", "/detect", Origin=origin).headers


def test_the_servers_own_page_is_not(server):
    assert server.get("/model", Host="localhost:8000", Origin="http://localhost:8000").status == 200


@pytest.mark.parametrize("path", ["/healthz", "/docs", "/nowhere", "/metrics"])
def test_every_answer_has_the_headers(server, path):
    headers = server.get(path).headers
    assert {name: headers[name.lower()] for name in HEADERS} == HEADERS
    assert "unsafe" not in headers["content-security-policy"]
    assert "server" not in headers


@pytest.mark.parametrize(
    "path", ["/", "/detect", "/model", "/metrics", "/docs", "/openapi.json", "/api_page.css", "/x"]
)
def test_a_token_is_needed(closed_server, path):
    for headers in ({}, {"Authorization": "Bearer 0123456789abcdeX"}, {"Authorization": TOKEN}, {"Cookie": "ä=\x01"}):
        answer = closed_server.get(path, **headers)
        assert answer.status == 401
        assert "token" in answer.json["error"]
    assert closed_server.get(path, Authorization=f"Bearer {TOKEN}").status != 401


@pytest.mark.parametrize("path", WITHOUT_TOKEN)
def test_health_needs_none(closed_server, path):
    assert closed_server.get(path).status == 200


def test_a_browser_keeps_the_token_of_the_address(closed_server):
    answer = closed_server.get(f"/?token={TOKEN}")
    assert (answer.status, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert closed_server.get("/model", Cookie=cookie.partition(";")[0]).status == 200
    assert closed_server.get("/?token=0123456789abcdeX").status == 401


def test_a_token_in_the_address_of_another_path_does_not_count(closed_server):
    assert closed_server.get(f"/model?token={TOKEN}").status == 401
