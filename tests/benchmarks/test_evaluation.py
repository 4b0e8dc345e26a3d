import pytest

from apparel import paths
from apparel.data.index import read_index
from apparel.models.detector import Detector
from apparel.models.tfod import determinism
from benchmarks import evaluation
from tests.support import tiny_detector
from tests.support.repository import ROOT


def test_what_follows_the_detection_is_beside_the_network_alone():
    seconds = {name: [1.0] for name in ("eval", "alone", "whole", "matching", "pictures")}
    beside = [(row.what, row.beside) for row in evaluation._rows(seconds, "", 1)]
    assert beside == [("eval", "alone"), ("eval", "whole"), ("matching", "alone"), ("pictures", "alone")]


@pytest.mark.slow
def test_detection_is_beside_its_network_and_what_follows_it_apart(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    (tmp_path / "params.yaml").symlink_to(ROOT / "params.yaml")
    monkeypatch.setattr(determinism, "enable", lambda seed: None)  # it would hold for all tests that follow
    tiny_detector.records(tmp_path)
    Detector(tiny_detector.config(tiny_detector.train_params()), tiny_detector.CLASSES).save(paths.MODEL)
    rows = evaluation.measure(1)
    assert len(rows) == 2 * 7
    assert {row.amount for row in rows} == {read_index(paths.TFRECORD).splits["test"].photos}
    assert [row.beside == evaluation.NETWORK for row in rows[:7]] == [True, False] + 5 * [True]
    assert all(row.ours[0] > 0 for row in rows)
