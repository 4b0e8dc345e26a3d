import base64
import io

import pytest
from jinja2 import UndefinedError
from PIL import Image

from apparel.evaluation import html


def template(folder, body):
    path = folder / "page.html"
    path.write_text(
        f'{{% extends "base.html" %}}{{% block title %}}{{{{ name }}}}{{% endblock %}}'
        f"{{% block body %}}{body}{{% endblock %}}",
        encoding="utf-8",
    )
    return path


def test_a_page_has_the_common_head_and_escapes_text(tmp_path):
    page = html.render(template(tmp_path, "<h1>{{ name }}</h1>"), name="<b>&")
    assert page.startswith("<!doctype html>") and page.rstrip().endswith("</html>")
    assert "<title>&lt;b&gt;&amp;</title>" in page and "<h1>&lt;b&gt;&amp;</h1>" in page
    assert 'name="viewport"' in page and "--quiet" in page


def test_a_name_that_was_not_passed_is_an_error(tmp_path):
    with pytest.raises(UndefinedError, match="missing"):
        html.render(template(tmp_path, "{{ missing }}"), name="page")


def test_numbers_as_text():
    assert html.figure(0.41249) == "0.412" and html.figure(2.0, 2) == "2.00"
    assert html.signed(0.0314) == "+0.031" and html.signed(-0.5) == "-0.500"
    assert html.percent(0.414) == "41%"
    assert html.figure(float("nan")) == html.signed(float("nan")) == html.percent(float("nan")) == "-"


def test_data_uris_hold_the_whole_picture(tmp_path):
    svg = tmp_path / "plot.svg"
    svg.write_bytes(b"<svg/>")
    assert html.file_data_uri(svg) == "data:image/svg+xml;base64," + base64.b64encode(b"<svg/>").decode()
    uri = html.image_data_uri(Image.new("RGB", (9, 5), "white"))
    data = base64.b64decode(uri.removeprefix("data:image/jpeg;base64,"))
    assert Image.open(io.BytesIO(data)).size == (9, 5)
