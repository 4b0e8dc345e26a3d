"""Detection model: saved and loaded, and the sum of its losses."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from apparel.errors import UserError
from apparel.models.detector import Detector, load_detector, total_loss
from tests.support import tiny_detector
from tests.support.repository import ROOT


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    return tmp_path


def test_saving_twice_gives_the_same_files(project: Path) -> None:
    detector = Detector(tiny_detector.config(tiny_detector.train_params()), tiny_detector.CLASSES)
    for name in ("one", "two"):
        detector.save(project / name)
    for file in (path for path in (project / "one").rglob("*") if path.is_file()):
        assert file.read_bytes() == (project / "two" / file.relative_to(project / "one")).read_bytes()


def test_weights_of_another_model_do_not_load(project: Path) -> None:
    Detector(tiny_detector.config(tiny_detector.train_params()), tiny_detector.CLASSES).save(project / "other")
    (project / "other" / "classes.json").write_text('["a"]', encoding="utf-8")
    with pytest.raises(UserError, match=r"classes\.json is damaged: its content is not what train wrote"):
        load_detector(project / "other")
    (project / "other" / "md5.json").unlink()
    config = (project / "other" / "pipeline.config").read_text(encoding="utf-8")
    one_class = config.replace("num_classes: 2", "num_classes: 1")
    (project / "other" / "pipeline.config").write_text(one_class, encoding="utf-8")
    with pytest.raises(UserError, match="of another shape"):
        load_detector(project / "other")
    shutil.rmtree(project / "other" / "checkpoint")
    with pytest.raises(UserError, match="missing or damaged"):
        load_detector(project / "other")


def test_the_total_loss_is_the_same_in_training_and_evaluation() -> None:
    """The API gives an SSD's losses as localization, classification, regularization; the sum starts with the second.

    It is the same to the last bit, since the sum of the first two does not depend on their order.
    """
    names = ("localization_loss", "classification_loss", "regularization_loss")
    for values in np.random.default_rng(0).uniform(0, 20, (300, 3)).astype(np.float32):
        losses = dict(zip(names, map(tf.constant, values), strict=True))
        in_order_of_the_api = np.float32(0) + values[0] + values[1] + values[2]
        assert total_loss(losses).numpy().tobytes() == in_order_of_the_api.tobytes()
        assert total_loss(dict(reversed(losses.items()))).numpy().tobytes() == in_order_of_the_api.tobytes()


def test_losses_of_other_models_are_summed_by_name() -> None:
    losses = {f"RPNLoss/{name}": tf.constant(value) for name, value in (("objectness", 1.0), ("localization", 2.0))}
    assert float(total_loss(losses)) == 3.0


def test_a_pipeline_file_whose_parts_do_not_fit_is_an_error_not_a_traceback() -> None:
    config = tiny_detector.config(tiny_detector.train_params())
    config.model.ssd.feature_extractor.fpn.min_level = 3  # the extractor has no feature pyramid
    with pytest.raises(UserError, match="cannot be built at a resolution of 64 pixels"):
        Detector(config, tiny_detector.CLASSES)
    config = tiny_detector.config(tiny_detector.train_params(detector="ssd_efficientnet_lite0_fpnlite"))
    config.model.ssd.anchor_generator.flexible_grid_anchor_generator.SetInParent()  # an IndexError of the API
    with pytest.raises(UserError, match="cannot be built at a resolution of 64 pixels: list index out of range"):
        Detector(config, tiny_detector.CLASSES)
