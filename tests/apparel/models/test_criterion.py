"""The criterion travels with the model: what the pipeline file does not say is in a file beside it."""

from pathlib import Path

import pytest

from apparel.errors import UserError
from apparel.models import criterion, pipeline_config
from apparel.models.criterion import Criterion
from tests.support import tiny_detector


def _config(**changes):
    train = tiny_detector.train_params(**changes)
    return pipeline_config.merge(train, 2, steps=10), train


@pytest.mark.parametrize(
    ("changes", "expected", "has_file"),
    [
        ({}, Criterion(), False),
        ({"classification_loss": "focal", "box_loss": "giou"}, Criterion(box_loss="giou"), False),
        ({"assignment": "atss", "box_loss": "ciou"}, Criterion("atss", box_loss="ciou"), True),
        ({"assignment": "dynamic", "classification_loss": "quality_focal"}, Criterion("dynamic", True), True),
    ],
)
def test_it_is_read_as_it_was_written(tmp_path: Path, changes: dict, expected: Criterion, has_file: bool) -> None:
    config, train = _config(**changes)
    made = criterion.criterion_of(config, train)
    criterion.write_criterion(made, tmp_path, config)
    assert made == expected == criterion.read_criterion(tmp_path, config)
    assert (tmp_path / criterion.FILE).exists() == has_file
    assert made.is_of_the_api == (not changes)


@pytest.mark.parametrize("text", ["{", '{"assignments": "atss"}', "[]", "3"])
def test_a_damaged_file_is_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / criterion.FILE).write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=r"criterion\.json is damaged; run `dvc repro --force train`"):
        criterion.read_criterion(tmp_path, _config()[0])
