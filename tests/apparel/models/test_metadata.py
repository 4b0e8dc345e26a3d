import json

import pytest

from apparel.errors import UserError
from apparel.models.metadata import Metadata
from apparel.models.thresholds import default_thresholds

CLASSES = ("Tops", "Röcke")
METADATA = Metadata("ssd_mobilenet_v1", CLASSES, default_thresholds(CLASSES), 300, 320, "0123.dir")


def test_metadata_are_read_as_they_were_written() -> None:
    assert Metadata.from_json(METADATA.to_json(), "a.tflite") == METADATA


@pytest.mark.parametrize(
    "change",
    [
        {"classes": []},
        {"classes": ["Tops", "Tops"]},
        {"classes": ["Tops", 3]},
        {"classes": ["Tops", "a\u0000b"]},
        {"height": 0},
        {"height": 10**9},
        {"width": "300"},
        {"model": None},
        {"thresholds": {}},
        {"thresholds": default_thresholds(("Hats",)).plain()},
    ],
)
def test_damaged_metadata_are_refused_by_the_name_of_the_file(change: dict) -> None:
    text = json.dumps(json.loads(METADATA.to_json()) | change)
    with pytest.raises(UserError, match=r"a\.tflite"):
        Metadata.from_json(text, "a.tflite")


@pytest.mark.parametrize("text", ["", "{", "null", "[]", b"\xff", "[" * 100_000, "{}"])
def test_what_is_no_metadata_is_refused(text: str | bytes) -> None:
    with pytest.raises(UserError, match=r"a\.tflite has no metadata of a detector of this project"):
        Metadata.from_json(text, "a.tflite")
