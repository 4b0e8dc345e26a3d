"""Anchors fitted to boxes: the right shapes on the right feature maps, the same for the same seed."""

import numpy as np
import pytest

from apparel.errors import UserError
from apparel.models import anchors, fitted_anchors, inputs, pipeline_config
from apparel.models.fitted_anchors import Layer
from tests.support import tiny_detector


def _config(**changes):
    return pipeline_config.merge(tiny_detector.train_params(anchors="fitted", **changes), 2, steps=10)


def _clusters(shapes: np.ndarray, boxes: int = 20) -> np.ndarray:
    """Boxes within 1% of shapes."""
    return np.concatenate([shapes * factor for factor in np.linspace(0.99, 1.01, boxes)])


def test_three_kinds_of_boxes_give_their_shapes_by_rising_area() -> None:
    shapes = np.array([[0.8, 0.9], [0.1, 0.3], [0.5, 0.2]])
    fitted = fitted_anchors.fit_shapes(_clusters(shapes), 3, seed=0)
    np.testing.assert_allclose(fitted, shapes[[1, 2, 0]], atol=1e-3)


def test_small_and_large_boxes_count_alike() -> None:
    """By 1 - IoU a box of 0.02 and one of 0.03 are further apart than 0.8 and 0.9; by their difference they are not."""
    sizes = np.repeat(np.array([[0.02, 0.02], [0.03, 0.03], [0.8, 0.8], [0.9, 0.9]]), 10, axis=0)
    fitted = fitted_anchors.fit_shapes(sizes, 3, seed=0)
    np.testing.assert_allclose(fitted, [[0.02, 0.02], [0.03, 0.03], [0.85, 0.85]], atol=1e-6)


def test_the_seed_decides_and_boxes_of_no_area_do_not_count() -> None:
    random = np.random.default_rng(1)
    sizes = random.uniform(0.1, 1, (200, 2))
    first = fitted_anchors.fit_shapes(sizes, 8, seed=3)
    np.testing.assert_array_equal(first, fitted_anchors.fit_shapes(np.concatenate([sizes, [[0.0, 0.5]]]), 8, seed=3))
    assert (first != fitted_anchors.fit_shapes(sizes, 8, seed=4)).any()
    assert anchors.best_iou(sizes, first).mean() > 0.7


def test_too_few_sizes_are_an_error() -> None:
    sizes = np.repeat(np.array([[0.2, 0.2], [0.4, 0.4]]), 50, axis=0)
    np.testing.assert_allclose(fitted_anchors.fit_shapes(sizes, 2, seed=0), [[0.2, 0.2], [0.4, 0.4]])
    with pytest.raises(UserError, match="train's boxes have 2 sizes, for 3 anchors; set null"):
        fitted_anchors.fit_shapes(sizes, 3, seed=0)


def test_boxes_of_one_size_in_pixels_are_one_size_and_an_error() -> None:
    """Their corners are fractions of the photo in float32, whose differences differ in the last digits."""
    corners = np.random.default_rng(0).integers(0, 200, (60, 2))
    low, high = ((values / 641).astype(np.float32) for values in (corners, corners + [30, 36]))
    assert len(np.unique(high - low, axis=0)) > 8
    with pytest.raises(UserError, match="train's boxes have 1 sizes, for 8 anchors; set null"):
        fitted_anchors.fit_shapes(high - low, 8, seed=0)


def test_each_feature_map_keeps_its_number_of_anchors() -> None:
    expected = [Layer(16, 3), Layer(30, 6), Layer(60, 6), Layer(100, 6), Layer(150, 6), Layer(300, 6)]
    assert fitted_anchors.anchor_layers(_config(resolution=300), 300) == expected
    pyramid = _config(resolution=320, detector="ssd_efficientnet_lite0_fpnlite")
    assert fitted_anchors.anchor_layers(pyramid, 320) == [Layer(2**level, 8) for level in (4, 5, 6, 7)]


@pytest.mark.parametrize(
    ("detector", "maps"),
    [("ssd_mobilenet_v1", (19, 10, 5, 3, 2, 1)), ("ssd_efficientnet_lite0_fpnlite", (20, 10, 5, 3))],
)
def test_the_api_builds_them_as_they_were_fitted(detector: str, maps: tuple[int, ...]) -> None:
    """Centres lie on all of the photo, and shapes are those that were fitted, the smallest on the finest map."""
    from object_detection.builders import anchor_generator_builder

    config = _config(resolution=300, detector=detector)
    sizes = np.random.default_rng(0).uniform(0.05, 1, (500, 2))
    before, strides = (
        anchors.anchor_shapes(config, 300),
        [layer.stride for layer in fitted_anchors.anchor_layers(config, 300)],
    )
    fitted_anchors.fit_anchors(config, 300, sizes, seed=0)
    built = anchor_generator_builder.build(config.model.ssd.anchor_generator)
    grids = [(side, side) for side in maps]
    layers = [layer.get().numpy() for layer in built.generate(grids, im_height=300, im_width=300)]
    areas = []
    for layer, stride in zip(layers, strides, strict=True):
        centres = (layer[:, 0] + layer[:, 2]) / 2
        assert centres.min() == pytest.approx(stride / 600, abs=0.002) and centres.max() > 1 - stride / 300
        areas.append((layer[:, 2:] - layer[:, :2]).prod(axis=1).mean())
    assert areas == sorted(areas)
    after = anchors.anchor_shapes(config, 300)
    assert len(after) == len(np.unique(after, axis=0)) > 30
    assert anchors.best_iou(sizes, after).mean() > anchors.best_iou(sizes, before).mean() + 0.02
    line = fitted_anchors.describe_fit(before, after, sizes)
    assert f"val's boxes {anchors.best_iou(sizes, after).mean():.3f}, " in line
    assert "nan" in fitted_anchors.describe_fit(before, after, sizes[:0])


@pytest.mark.parametrize(
    ("detector", "offsets"),
    [
        ("ssd_mobilenet_v1", [8, 15, 28, 50, 100, 200]),
        (
            "ssd_efficientnet_lite0_fpnlite",
            [8, 16, 16, 48],
        ),  # first places of the maps: 8, 16, 32, 32; then 8, 16, 16, 16
    ],
)
def test_at_another_resolution_places_move_and_sizes_stay(detector: str, offsets: list[int]) -> None:
    sizes = np.random.default_rng(0).uniform(0.05, 1, (200, 2))
    at_300, at_400 = _config(resolution=300, detector=detector), _config(resolution=400, detector=detector)
    strides = [layer.stride for layer in fitted_anchors.anchor_layers(at_400, 400)]
    fitted_anchors.fit_anchors(at_300, 300, sizes, seed=0)
    shapes = anchors.anchor_shapes(at_300, 300) * 300
    fitted_anchors.move_places(at_300, 300, 400)
    grids = at_300.model.ssd.anchor_generator.flexible_grid_anchor_generator.anchor_grid
    assert [grid.height_stride for grid in grids] == strides == [grid.width_stride for grid in grids]
    assert [grid.height_offset for grid in grids] == offsets == [grid.width_offset for grid in grids]
    np.testing.assert_allclose(anchors.anchor_shapes(at_300, 400) * 400, shapes)


def test_other_detectors_are_refused() -> None:
    config = _config()
    config.model.ssd.feature_extractor.type = "ssd_resnet50_v1"
    with pytest.raises(
        UserError, match=r"train\.anchors is 'fitted': it replaces neither ssd_anchor_generator nor the"
    ):
        fitted_anchors.anchor_layers(config, 300)


@pytest.mark.parametrize("keeps_shape", [False, True])
def test_sizes_are_fractions_of_the_network_s_input(tmp_path, monkeypatch, keeps_shape: bool) -> None:
    monkeypatch.chdir(tmp_path)
    index = tiny_detector.records(tmp_path)
    (tmp_path / "configs").symlink_to(tiny_detector.ROOT / "configs")
    config = _config()
    if keeps_shape:
        config.model.ssd.image_resizer.keep_aspect_ratio_resizer.SetInParent()
    sizes = inputs.box_sizes(index, config, "train")
    np.testing.assert_allclose(sizes, [[30 / 64, 36 / 64]] * 6, rtol=1e-5)
