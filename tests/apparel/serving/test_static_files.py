from apparel.serving import static_files
from tests.support.running_server import running


def test_files_beside_the_module_are_served_with_their_types(tmp_path, monkeypatch):
    for name in ("page.html", "page.js", "page.css", "icon.svg", "api_page.html", "notes.txt", "app.py"):
        (tmp_path / name).write_text(name, encoding="utf-8")
    monkeypatch.setattr(static_files, "FOLDER", tmp_path)
    with running() as server:
        served = {path: server.get(path) for path in ("/", "/page.js", "/page.css", "/icon.svg")}
        refused = [
            server.get(path).status for path in ("/app.py", "/notes.txt", "/page.html", "/%2e%2e/x", "//page.js")
        ]
        head = server.ask("HEAD", "/")
    assert {path: answer.headers["content-type"] for path, answer in served.items()} == {
        "/": "text/html; charset=utf-8",
        "/page.js": "text/javascript; charset=utf-8",
        "/page.css": "text/css; charset=utf-8",
        "/icon.svg": "image/svg+xml",
    }
    assert [answer.body for answer in served.values()] == [b"page.html", b"page.js", b"page.css", b"icon.svg"]
    assert refused == [404] * 5
    assert (head.status, head.body) == (200, b"")


def test_the_page_of_the_api_has_everything_of_its_schema():
    with running() as server:
        page = server.get("/docs").body.decode()
        schema = server.get("/openapi.json").json
        style = server.get("/api_page.css")
    for name in [*schema["paths"], *schema["components"]["schemas"]]:
        assert name in page
    assert style.status == 200
    assert "<style" not in page
    assert "style=" not in page
