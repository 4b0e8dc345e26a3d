"""Which outputs the options of a prediction run give."""

import pytest

from apparel.analysis.predictions.open_writers import open_writers
from apparel.utils import files
from tests.support.detection_tables import HOSTILE_NAMES, detections, photo

ALL = {"json": True, "pictures": True, "crops": True, "xml": True}


@pytest.mark.parametrize("option", [None, *ALL])
def test_each_option_adds_one_output(tmp_path, option):
    for writer in open_writers(tmp_path, ["a"], **{option: True} if option else {}):
        writer.write("x/a.jpg", photo(), detections(("a", 0.9, (0, 0, 9, 9))))
        assert writer.close() is None
    added = {"json": "detections.jsonl", None: "thumbnails"}.get(option, option)
    assert {path.name for path in tmp_path.iterdir()} == {"thumbnails", added}


def test_a_photo_that_is_written_twice_leaves_the_same_bytes(tmp_path):
    found = detections(("a", 0.9, (0, 0, 9, 9)), ("b", 0.1, (3, 3, 9, 9)))
    contents = []
    for _ in range(2):
        writers = open_writers(tmp_path, ["a", "b"], **ALL)
        for name in HOSTILE_NAMES:
            for writer in writers:
                writer.write(name, photo(), found)
        assert [writer.close() for writer in writers] == [None] * 5
        contents.append({path: path.read_bytes() for path in files.below(tmp_path)})
    assert contents[0] == contents[1]
    assert len(contents[0]) == 4 * len(HOSTILE_NAMES) + 1
