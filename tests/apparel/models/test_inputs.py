"""Evaluation batches: every photo of a split once."""

from pathlib import Path

import numpy as np
import pytest

from apparel.data.index import Index
from apparel.models import inputs
from tests.support import tiny_detector
from tests.support.repository import ROOT


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Index:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    return tiny_detector.records(tmp_path)


def test_evaluation_sees_every_photo_once_and_fills_the_last_batch(index: Index) -> None:
    train = tiny_detector.train_params()
    batches = list(inputs.evaluation_batches(index, tiny_detector.config(train), "val", 4))
    real = np.concatenate([batch["real"].numpy() for batch in batches])
    names = np.concatenate([batch["filename"].numpy() for batch in batches])[real]
    assert [len(batch["image"]) for batch in batches] == [4, 4]
    assert sorted(names) == [f"photo-{number}.png".encode() for number in range(10, 12)] + [
        f"photo-{number}.png".encode() for number in range(6, 10)
    ]
    assert not batches[-1]["image"].numpy()[~batches[-1]["real"].numpy()].any()
