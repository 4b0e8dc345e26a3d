import json
from pathlib import Path

import pytest

from apparel.errors import UserError
from apparel.models.thresholds import FILE, Thresholds, default_thresholds, read_thresholds

CLASSES = ("Tops", "Skirts")
THRESHOLDS = Thresholds({"Tops": 0.4, "Skirts": 0.3}, None, {"Tops": {"0.50": 0.2, "0.90": 0.7}, "Skirts": {}})


def test_thresholds_are_read_as_they_were_written(tmp_path: Path) -> None:
    THRESHOLDS.write(tmp_path)
    assert read_thresholds(tmp_path, CLASSES) == THRESHOLDS


def test_thresholds_for_a_precision() -> None:
    assert THRESHOLDS.at_precision(0.9).by_class == {"Tops": 0.7, "Skirts": 0.3}
    assert THRESHOLDS.at_precision(0.891).min_precision == 0.9  # rounded up
    assert THRESHOLDS.at_precision(0.95).by_class["Tops"] == 0.7  # of the highest precision that is reached
    assert THRESHOLDS.unreached(0.9) == ["Skirts"]
    for precision in (0.4, 1.0, float("nan")):
        with pytest.raises(UserError, match=r"a precision has to be from 0\.5 to 0\.99"):
            THRESHOLDS.at_precision(precision)


def test_other_scores_for_all_classes_or_some() -> None:
    assert THRESHOLDS.overridden(0.6).by_class == {"Tops": 0.6, "Skirts": 0.6}
    assert THRESHOLDS.overridden({"Tops": 0}).by_class == {"Tops": 0, "Skirts": 0.3}
    with pytest.raises(UserError, match="not in both: Hats"):
        THRESHOLDS.overridden({"Hats": 0.5})
    with pytest.raises(UserError, match="the threshold of Tops should be a number from 0 to 1"):
        THRESHOLDS.overridden(1.5)


@pytest.mark.parametrize(
    "change",
    [
        {"by_class": {"Tops": 0.4}},
        {"by_class": {"Tops": 0.4, "Skirts": "0.3"}},
        {"by_class": {"Tops": 0.4, "Skirts": float("nan")}},
        {"by_class": [1]},
        {"min_precision": 0.123},
        {"by_precision": {"Hats": {}}},
        {"by_precision": {"Tops": {"0.123": 0.5}}},
        {"by_precision": {"Tops": {"0.50": 7}}},
    ],
)
def test_damaged_thresholds_are_refused(change: dict, tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(json.dumps(THRESHOLDS.plain() | change))
    with pytest.raises(UserError, match=FILE):
        read_thresholds(tmp_path, CLASSES)


def test_a_missing_or_broken_file_names_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="trained before thresholds came with it"):
        read_thresholds(tmp_path, CLASSES)
    for text in ("{", "null", "[" * 100_000, json.dumps({"by_class": {}})):
        (tmp_path / FILE).write_text(text)
        with pytest.raises(UserError, match=FILE):
            read_thresholds(tmp_path, CLASSES)


def test_a_model_without_thresholds_gets_a_half() -> None:
    assert default_thresholds(CLASSES).by_class == {"Tops": 0.5, "Skirts": 0.5}
