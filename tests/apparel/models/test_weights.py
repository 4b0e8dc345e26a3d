"""Pretrained weights: those that match are loaded, others are refused, and a restored detector detects."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from apparel import paths
from apparel.errors import UserError
from apparel.models import pipeline_config
from apparel.models.detector import Detector, restore_checkpoint
from apparel.models.tfod import pipeline_file
from apparel.models.weights import load_pretrained_weights
from tests.support import tiny_detector
from tests.support.repository import COCO, KERAS, ROOT, SHARED

PERSON = 1

needs_coco = pytest.mark.shared("pretrained/ssd_mobilenet_v1_0.75_coco")
needs_keras = pytest.mark.shared("pretrained/mobilenet_1_0_224_tf_no_top.h5")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    (tmp_path / paths.PRETRAINED).mkdir(parents=True)
    return tmp_path / paths.PRETRAINED


def _detector(**changes) -> tuple[Detector, object]:
    train = tiny_detector.train_params(**changes)
    return Detector(pipeline_config.merge(train, 2, steps=10), tiny_detector.CLASSES), train


def _saved(folder: Path, **changes) -> Detector:
    detector, _ = _detector(**changes)
    detector.save(folder)
    return detector


def _first_kernel(detector: Detector) -> np.ndarray:
    return detector.backbone.get_layer("conv1").kernel.numpy()


def _heads(detector: Detector, part: str) -> list[np.ndarray]:
    heads = detector.model._box_predictor._prediction_heads[part]
    return [variable.numpy() for head in heads for variable in head.variables]


def _same(ours: list[np.ndarray], theirs: list[np.ndarray]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("kind", ["detection", "full", "backbone"])
def test_a_checkpoint_gives_the_parts_that_are_asked_for(project: Path, kind: str) -> None:
    given = _saved(project / "zoo")
    detector, train = _detector(checkpoint="zoo", checkpoint_type=kind)
    assert not np.array_equal(_first_kernel(detector), _first_kernel(given))
    load_pretrained_weights(detector, train)
    np.testing.assert_array_equal(_first_kernel(detector), _first_kernel(given))
    shapes, classes = ("box_encodings", "class_predictions_with_background")
    assert _same(_heads(detector, shapes), _heads(given, shapes)) == (kind != "backbone")
    assert _same(_heads(detector, classes), _heads(given, classes)) == (kind == "full")


def test_heads_for_other_anchors_keep_random_weights(project: Path, capsys: pytest.CaptureFixture) -> None:
    given = _saved(project / "zoo")
    config = pipeline_config.merge(tiny_detector.train_params(), 2, steps=10)
    config.model.ssd.anchor_generator.ssd_anchor_generator.aspect_ratios.append(4.0)
    detector = Detector(config, tiny_detector.CLASSES)
    load_pretrained_weights(detector, tiny_detector.train_params(checkpoint="zoo"))
    np.testing.assert_array_equal(_first_kernel(detector), _first_kernel(given))
    assert "the box heads start from random weights" in capsys.readouterr().out


def test_a_damaged_head_is_refused(project: Path) -> None:
    given = _saved(project / "zoo")
    (data,) = (project / "zoo" / "checkpoint").glob("*.data*")
    head = max(_heads(given, "box_encodings"), key=lambda values: values.size)
    content = bytearray(data.read_bytes())
    content[content.index(head.tobytes())] ^= 1
    data.write_bytes(content)
    detector, train = _detector(checkpoint="zoo")
    with pytest.raises(UserError, match=r"zoo.*missing or damaged"):
        load_pretrained_weights(detector, train)


def test_a_checkpoint_of_other_classes_gives_all_else(project: Path) -> None:
    given = Detector(pipeline_config.merge(tiny_detector.train_params(), 7, steps=10), tuple("abcdefg"))
    given.save(project / "zoo")
    detector, train = _detector(checkpoint="zoo")
    load_pretrained_weights(detector, train)
    assert _same(_heads(detector, "box_encodings"), _heads(given, "box_encodings"))


def test_a_checkpoint_that_was_not_imported_is_refused_with_the_nearest(project: Path) -> None:
    (project / "zoo").mkdir()
    detector, train = _detector(checkpoint="zo")
    with pytest.raises(UserError, match=r"no weights 'zo' in data/pretrained; did you mean 'zoo'"):
        load_pretrained_weights(detector, train)


def test_a_checkpoint_of_another_width_is_refused_by_name(project: Path) -> None:
    _saved(project / "zoo", depth_multiplier=0.5)
    detector, train = _detector(checkpoint="zoo")
    with pytest.raises(UserError, match=r"zoo.*another shape.*depth_multiplier"):
        load_pretrained_weights(detector, train)


def test_a_damaged_checkpoint_is_refused_by_name(project: Path) -> None:
    _saved(project / "zoo")
    (data,) = (project / "zoo" / "checkpoint").glob("*.data*")
    data.write_bytes(data.read_bytes()[:1000])
    detector, train = _detector(checkpoint="zoo")
    with pytest.raises(UserError, match=r"zoo.*missing or damaged"):
        load_pretrained_weights(detector, train)


def test_a_file_that_holds_no_weights_is_refused(project: Path) -> None:
    (project / "keras").mkdir()
    (project / "keras" / "weights.h5").write_bytes(b"not HDF5")
    detector, train = _detector(checkpoint="keras", checkpoint_type="backbone")
    with pytest.raises(UserError, match=r"weights\.h5 is damaged"):
        load_pretrained_weights(detector, train)


@needs_keras
def test_imagenet_weights_of_keras_fit_the_backbone(project: Path) -> None:
    (project / "keras").mkdir()
    (project / "keras" / KERAS.name).symlink_to(KERAS)
    detector, train = _detector(checkpoint="keras", checkpoint_type="backbone", depth_multiplier=1.0)
    load_pretrained_weights(detector, train)
    reference = tf.keras.applications.MobileNet(include_top=False, weights=str(KERAS))
    np.testing.assert_array_equal(_first_kernel(detector), reference.get_layer("conv1").kernel.numpy())
    narrow, train = _detector(checkpoint="keras", checkpoint_type="backbone", depth_multiplier=0.5)
    with pytest.raises(UserError, match="another shape"):
        load_pretrained_weights(narrow, train)


@pytest.mark.slow
@needs_coco
def test_the_restored_coco_detector_finds_the_person_who_wears_the_garment() -> None:
    detector = Detector(pipeline_file.read(COCO / "pipeline.config"), tuple(f"class {n}" for n in range(90)))
    restore_checkpoint(tf.train.Checkpoint(model=detector.model), COCO)
    with zipfile.ZipFile(SHARED / "apparel" / "samples" / "samples-1.zip") as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".jpg"))[:16]
        photos = [tf.io.decode_jpeg(io.BytesIO(archive.read(name)).read()) for name in names]
    images = tf.stack([tf.image.resize(photo, [300, 300]) for photo in photos])
    shape = tf.constant([[300, 300, 3]] * len(names))
    detections = detector.detect(images, shape)
    strongest = detections.classes.numpy()[:, 0] + 1
    confident = detections.scores.numpy()[:, 0] > 0.5
    assert confident.sum() >= 5
    assert (strongest[confident] == PERSON).mean() > 0.7


@needs_coco
def test_a_pyramid_takes_the_backbone_of_a_detector_with_plain_maps(project) -> None:
    (project / "coco").symlink_to(COCO)
    changes = {"checkpoint": "coco", "checkpoint_type": "backbone", "depth_multiplier": 0.75}
    detector, train = _detector(detector="ssd_mobilenet_v1_fpnlite", **changes)
    before = [variable.numpy() for variable in detector.backbone.variables]
    load_pretrained_weights(detector, train)
    after = [variable.numpy() for variable in detector.backbone.variables]
    assert not any(np.array_equal(old, new) for old, new in zip(before, after, strict=True))
