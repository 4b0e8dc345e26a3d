"""The training loop: it learns, keeps its best weights, goes on after a crash, and comes out the same."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from apparel import inputs, training
from apparel.compat import determinism
from apparel.detector import Detector, detect_split, load
from apparel.errors import UserError
from tests import tiny


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").symlink_to(Path(__file__).parents[2] / "configs")
    return tiny.records(tmp_path)


class Killed(Exception):
    pass


def _train(index: dict, folder: Path, kill_at: int | None = None, **changes) -> tuple[Detector, training.Progress]:
    train = tiny.train_params(**changes)
    determinism.enable(train.seed)
    detector = Detector(tiny.config(train), tiny.CLASSES)

    def report(step: int, values: dict) -> None:
        if step == kill_at and "val/mAP50" not in values:
            raise Killed

    return detector, training.Training(detector, index, train, folder).run(report)


def _weights(detector: Detector) -> list[bytes]:
    return [variable.numpy().tobytes() for variable in detector.model.variables]


def test_a_training_that_was_killed_ends_with_the_undisturbed_weights(index: dict, tmp_path: Path) -> None:
    undisturbed, progress = _train(index, tmp_path / "whole", moving_average=0.9)
    with pytest.raises(Killed):
        _train(index, tmp_path / "killed", kill_at=5, moving_average=0.9)
    resumed, again = _train(index, tmp_path / "killed", moving_average=0.9)
    assert [row["step"] for row in again.history] == [2, 4, 6]
    assert again.history == progress.history
    assert _weights(resumed) == _weights(undisturbed)


def test_a_damaged_checkpoint_is_left_out_for_the_one_before(
    index: dict, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    undisturbed, _ = _train(index, tmp_path / "whole")
    with pytest.raises(Killed):
        _train(index, tmp_path / "killed", kill_at=5)
    newest = max((tmp_path / "killed" / "latest").glob("ckpt-*.data*"), key=lambda path: path.stat().st_mtime_ns)
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 0x40
    newest.write_bytes(content)
    resumed, _ = _train(index, tmp_path / "killed")
    assert "damaged" in capsys.readouterr().out
    assert _weights(resumed) == _weights(undisturbed)


def test_the_kept_weights_load_and_score_as_they_did_in_training(index: dict, tmp_path: Path) -> None:
    detector, progress = _train(index, tmp_path / "one", steps=8, learning_rate=0.01)
    detector.save(tmp_path / "model")
    measured = training.validate(load(tmp_path / "model"), index)
    assert measured["val/mAP50"] == progress.best["val/mAP50"] == max(row["val/mAP50"] for row in progress.history)
    assert measured["val/loss"] == progress.best["val/loss"]


def test_saving_twice_gives_the_same_files(index: dict, tmp_path: Path) -> None:
    detector = Detector(tiny.config(tiny.train_params()), tiny.CLASSES)
    for name in ("one", "two"):
        detector.save(tmp_path / name)
    for file in (path for path in (tmp_path / "one").rglob("*") if path.is_file()):
        assert file.read_bytes() == (tmp_path / "two" / file.relative_to(tmp_path / "one")).read_bytes()


def test_a_frozen_backbone_stays_and_the_rest_learns(index: dict, tmp_path: Path) -> None:
    train = tiny.train_params(steps=2, freeze="backbone")
    determinism.enable(0)
    detector = Detector(tiny.config(train), tiny.CLASSES)
    before = [variable.numpy() for variable in detector.backbone.variables]
    heads = [variable.numpy() for variable in detector.model._box_predictor.variables]
    training.Training(detector, index, train, tmp_path / "frozen").run(lambda step, values: None)
    for old, new in zip(before, detector.backbone.variables, strict=True):
        np.testing.assert_array_equal(old, new.numpy())
    after = [variable.numpy() for variable in detector.model._box_predictor.variables]
    assert any((old != new).any() for old, new in zip(heads, after, strict=True))


def test_training_stops_when_patience_is_over(index: dict, tmp_path: Path) -> None:
    _, progress = _train(index, tmp_path / "patient", steps=40, patience=2, learning_rate=1e-9, optimizer="momentum")
    assert len(progress.history) < 20
    assert progress.validations_since_best == 2


@pytest.mark.filterwarnings("ignore:.*:RuntimeWarning")
def test_a_diverged_loss_is_refused_with_the_remedy(index: dict, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"lower train\.learning_rate|finite"):
        _train(index, tmp_path / "diverged", steps=30, learning_rate=1e30, optimizer="momentum", warmup_fraction=0.0)


def test_the_same_training_twice_at_once_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training.paths, "LOCAL", tmp_path)
    with training.under_way("key") as folder:
        with pytest.raises(UserError, match="under way"), training.under_way("key"):
            pass
        assert folder.is_dir()
    assert not folder.exists()


def test_another_resolution_or_class_count_does_not_load(index: dict, tmp_path: Path) -> None:
    detector = Detector(tiny.config(tiny.train_params()), tiny.CLASSES)
    detector.save(tmp_path / "model")
    (tmp_path / "model" / "classes.json").write_text('["a"]', encoding="utf-8")
    config = (tmp_path / "model" / "pipeline.config").read_text(encoding="utf-8")
    (tmp_path / "model" / "pipeline.config").write_text(config.replace("num_classes: 2", "num_classes: 1"), "utf-8")
    with pytest.raises(UserError, match="of another shape"):
        load(tmp_path / "model")
    shutil.rmtree(tmp_path / "model" / "checkpoint")
    with pytest.raises(UserError, match="missing or damaged"):
        load(tmp_path / "model")


def test_every_photo_of_a_split_is_scored(index: dict) -> None:
    detector = Detector(tiny.config(tiny.train_params()), tiny.CLASSES)
    scored = detect_split(detector, index, "val")
    assert len(scored.photos) == index["splits"]["val"]["photos"]
    assert len(scored.ground_truth) == index["splits"]["val"]["boxes"]
    assert scored.detections["score"].between(0, 1).all()
    assert inputs.records(index, "val")
