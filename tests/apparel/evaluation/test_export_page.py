"""The report on exported formats."""

import math
from dataclasses import replace

from apparel.evaluation import export_page
from tests.support import chromium, exported_formats


def test_the_page_shows_each_format_and_no_speed_unless_it_is_given() -> None:
    page = export_page.render_page(exported_formats.formats())
    assert page == export_page.render_page(exported_formats.formats())
    for text in ("onnx on OpenVINO", "detector.onnx", "-0.015", "-0.115 to +0.085", "1 of 50", "Tops &lt;b&gt;"):
        assert text in page, text
    assert "A processor" not in page and "<b>" not in page
    timed = export_page.render_page(exported_formats.formats(), exported_formats.speed_record())
    assert "A processor, 2 cores" in timed and "13.0" in timed and "26.0" in timed and "90.0" in timed


def test_differences_beyond_the_limit_are_marked() -> None:
    within = exported_formats.formats()
    beyond = [within[0], exported_formats.format_figures("tflite", test=0.49)]
    assert export_page.render_page(within).count('class="beyond"') == 0
    assert export_page.render_page(beyond).count('class="beyond"') == 1


def test_the_page_opens_in_a_browser(tmp_path) -> None:
    path = tmp_path / "index.html"
    path.write_text(export_page.render_page(exported_formats.formats()), encoding="utf-8")
    assert "Accuracy on test" in chromium.dom(path, tmp_path / "profile")


def test_the_terminal_gets_a_row_a_format() -> None:
    text = export_page.terminal_text(exported_formats.formats(), exported_formats.speed_record())
    rows = {line.split("  ")[0]: line.split() for line in text.splitlines()}
    assert rows["tflite_int8"][1:] == ["0.485", "-0.015", "-0.115", "to", "+0.085", "4.7", "2.0", "4.0", "90.0"]
    assert rows["trained model"][2:] == ["0.500", "4.7", "13.0", "26.0", "90.0"]
    assert "A processor, 2 cores" in text


def test_what_is_undefined_is_a_dash() -> None:
    figures = exported_formats.format_figures("tflite", test=math.nan)
    test = replace(figures.splits["test"], largest_score=math.nan, largest_corner=math.nan)
    formats = [
        exported_formats.format_figures("trained model"),
        replace(figures, splits=figures.splits | {"test": test}),
    ]
    assert "nan" not in export_page.render_page(formats)
    assert "nan" not in export_page.terminal_text(formats)
