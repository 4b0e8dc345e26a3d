"""The picture and the tables of speed against accuracy."""

import math

import pytest

from apparel.analysis import speed_accuracy, speed_page
from apparel.analysis.exported_models import Choice
from tests.support import chromium


def choice(result: str, ms: float, map50: float, name: str = "tflite") -> Choice:
    return Choice(
        result, name, "TensorFlow Lite", map50, 4_000_000, "", "ssd", 300, 300, ms, ms / 2, 90_000_000, "A CPU"
    )


CHOICES = [choice("six", 4.0, 0.5), choice("six", 13.0, 0.52, "trained model"), choice("<b>", 8.0, 0.48)]
TABLE = speed_accuracy.table(CHOICES)


def test_faster_is_left_and_more_accurate_is_higher() -> None:
    fast, beaten, accurate = speed_page.draw(TABLE).dots
    assert fast.x < beaten.x < accurate.x
    assert accurate.y < fast.y < beaten.y
    assert [dot.front for dot in (fast, beaten, accurate)] == [True, False, True]
    assert fast.colour == accurate.colour != beaten.colour
    for dot in (fast, beaten, accurate):
        assert speed_page.LEFT < dot.x < speed_page.WIDTH - speed_page.RIGHT
        assert speed_page.TOP < dot.y < speed_page.HEIGHT - speed_page.BOTTOM
    assert (
        speed_page.draw(TABLE).front
        == f"M{fast.x} {fast.y}H{accurate.x}V{accurate.y}H{speed_page.WIDTH - speed_page.RIGHT}"
    )


@pytest.mark.parametrize(
    "values", [[(3.0, 0.5)], [(3.0, 0.5), (3.0, 0.5)], [(0.01, 0.0), (9000.0, 1.0)], [(4.0, 0.4), (4.1, 0.4001)]]
)
def test_axes_have_ticks_whatever_the_range(values) -> None:
    picture = speed_page.draw(speed_accuracy.table([choice("a", *each) for each in values]))
    for ticks in (picture.ms_ticks, picture.map50_ticks):
        assert 2 <= len(ticks) <= 20 and len({tick.text for tick in ticks}) == len(ticks)
    assert all(speed_page.LEFT <= tick.place <= speed_page.WIDTH for tick in picture.ms_ticks)


def test_what_has_no_accuracy_is_in_the_table_alone(tmp_path) -> None:
    table = speed_accuracy.table([*CHOICES, choice("seven", 5.0, math.nan)])
    assert len(speed_page.draw(table).dots) == 3
    page = speed_page.render_page(table, ["a <note>"])
    assert "seven" in page and "nan" not in page and "a &lt;note&gt;" in page and "<b>" not in page
    assert not speed_page.draw(table[table["result"] == "seven"].reset_index(drop=True)).dots
    path = tmp_path / "speed.html"
    path.write_text(page, encoding="utf-8")
    assert chromium.dom(path, tmp_path / "profile").count("<circle") == 3


def test_the_terminal_shows_the_front() -> None:
    lines = speed_page.terminal_text(TABLE, ["a note"]).splitlines()
    assert lines[1].split()[:4] == ["*", "six", "tflite", "TensorFlow"]
    assert lines[2].split()[0] == "<b>"
    assert lines[1].split()[-7:] == ["ssd", "300x300", "0.500", "4.00", "2.00", "4.0", "90.0"]
    assert lines[-2:] == ["on A CPU", "a note"]


def test_the_numbers_lie_beside_the_page(tmp_path) -> None:
    page = speed_page.write(TABLE, [], tmp_path / "a.html", [])
    rows = page.with_suffix(".csv").read_text(encoding="utf-8").splitlines()
    assert rows[0] == "result,format,runtime,detector,width,height,mAP50,ms,batch_ms,bytes,memory,front,processor"
    assert rows[1] == "six,tflite,TensorFlow Lite,ssd,300,300,0.5,4.0,2.0,4000000,90000000,True,A CPU"
