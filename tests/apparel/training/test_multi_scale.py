"""Multi-scale batches: photos and their boxes at each of the resolutions, drawn by the seed."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from apparel.errors import UserError
from apparel.models import pipeline_config
from apparel.training import multi_scale
from apparel.training.input_pipeline import training_batches
from tests.support import tiny_detector


def _batch(position: int) -> dict[str, tf.Tensor]:
    ramp = np.tile(np.arange(96, dtype=np.float32)[None, None, :, None], (2, 96, 1, 3))
    number = tf.constant(position, tf.int64)
    return {
        "image": tf.constant(ramp),
        "true_shape": tf.constant([[96, 96, 3]] * 2),
        "epoch": number,
        "position": number,
    }


def test_batches_have_each_resolution_and_the_photo_s_shape() -> None:
    train = tiny_detector.train_params(multi_scale=(48, 96))
    sides = []
    for position in range(24):
        made = multi_scale.resize(_batch(position), train)
        side = made["image"].shape[1]
        assert made["image"].shape == (2, side, side, 3)
        np.testing.assert_array_equal(made["true_shape"], [[side, side, 3]] * 2)
        centres = (np.arange(side) + 0.5) * 96 / side - 0.5
        np.testing.assert_allclose(made["image"][0, 0, :, 0], centres, atol=1e-3)
        sides.append(side)
    assert set(sides) == {48, 64, 96} and min(map(sides.count, (48, 64, 96))) > 2
    assert sides == [multi_scale.resize(_batch(position), train)["image"].shape[1] for position in range(24)]
    other = tiny_detector.train_params(multi_scale=(48, 96), seed=1)
    assert sides != [multi_scale.resize(_batch(position), other)["image"].shape[1] for position in range(24)]


def test_the_stream_makes_photos_at_the_largest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Squares of 36 x 30 of 64 pixels lie in their boxes whatever the resolution, with all that moves photos on."""
    index = tiny_detector.records(tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").symlink_to(tiny_detector.ROOT / "configs")
    train = tiny_detector.train_params(
        multi_scale=(128,), mosaic=0.5, copy_paste=0.5, batch_size=2, augmentation=("random_horizontal_flip",)
    )
    config = tiny_detector.config(train)
    assert multi_scale.at_largest(config, train).model.ssd.image_resizer.fixed_shape_resizer.height == 128
    assert config.model.ssd.image_resizer.fixed_shape_resizer.height == tiny_detector.SIDE
    seen = set()
    for batch in training_batches(index, config, train).take(12):
        side = batch["image"].shape[1]
        seen.add(side)
        assert batch["boxes"].shape == (2, 8, 4)
        for image, boxes, classes, weights in zip(
            *(batch[name].numpy() for name in ("image", "boxes", "classes", "weights")), strict=True
        ):
            for box, kind in zip(boxes[weights > 0], classes[weights > 0].argmax(axis=1), strict=True):
                ymin, xmin, ymax, xmax = np.round(box * side).astype(int)
                assert abs(np.median(image[ymin:ymax, xmin:xmax]) - (230, 10)[kind]) < 30
    assert seen == {64, 128}


def test_what_does_not_go_together_is_refused() -> None:
    merge = lambda **changes: pipeline_config.merge(tiny_detector.train_params(**changes), 2, steps=5)  # noqa: E731
    with pytest.raises(UserError, match=r"train\.anchors is 'fitted', and train\.multi_scale is not empty"):
        merge(anchors="fitted", multi_scale=(96,))
    merge(anchors="fitted", multi_scale=(96,), detector="ssd_efficientnet_lite0_fpnlite")
