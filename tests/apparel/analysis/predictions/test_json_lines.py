"""JSON lines of a prediction run, also of one that was killed."""

import json

import pytest

from apparel.analysis.predictions.json_lines import JsonLines
from tests.support.detection_tables import HOSTILE_NAMES, detections, photo

FOUND = detections(("Dresses", 0.75, (1.5, 2, 30, 40)), ("Tops", 0.25, (0, 0, 5, 5)))


def write(path, names):
    writer = JsonLines(path)
    for name in names:
        writer.write(name, photo(), FOUND)
    writer.close()


def test_a_line_has_what_the_server_answers(tmp_path):
    write(tmp_path / "new" / "lines.jsonl", ["shop/a.jpg"])
    box = {"xmin": 1.5, "ymin": 2.0, "xmax": 30.0, "ymax": 40.0}
    dress = {"class": "Dresses", "score": 0.75, "box": box, "threshold": 0.5, "shown": True}
    line = json.loads((tmp_path / "new" / "lines.jsonl").read_text())
    assert {**line, "detections": line["detections"][:1]} == {
        "name": "shop/a.jpg",
        "width": 60,
        "height": 40,
        "detections": [dress],
        "problem": None,
    }
    assert line["detections"][1]["shown"] is False


@pytest.mark.parametrize("repeated", range(4))
@pytest.mark.parametrize("torn", [0, 1, 30])
def test_a_killed_run_that_goes_on_leaves_the_same_bytes(tmp_path, repeated, torn):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    write(whole, HOSTILE_NAMES)
    write(killed, HOSTILE_NAMES[:5])
    killed.write_bytes(killed.read_bytes()[: -torn or None])
    write(killed, HOSTILE_NAMES[5 - max(repeated, bool(torn)) :])
    assert killed.read_bytes() == whole.read_bytes()


def test_a_line_longer_than_a_block_is_cut_off_whole(tmp_path):
    (tmp_path / "lines").write_bytes(b'{"name": "a", "x": 1}\n' + b"x" * 200_000)
    write(tmp_path / "lines", ["b"])
    assert [json.loads(line)["name"] for line in (tmp_path / "lines").read_text().splitlines()] == ["a", "b"]


def test_names_come_back_as_they_are(tmp_path):
    write(tmp_path / "lines", HOSTILE_NAMES)
    lines = (tmp_path / "lines").read_bytes().split(b"\n")[:-1]
    assert tuple(json.loads(line)["name"] for line in lines) == HOSTILE_NAMES
