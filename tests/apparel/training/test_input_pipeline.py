"""Training batches: the same for the same seed, and the same from any position in the stream."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from apparel.data import examples
from apparel.data.index import Index, SplitIndex
from apparel.models import inputs
from apparel.models.tfod import augmentation, determinism, model
from apparel.training import input_pipeline
from tests.support import tiny_detector
from tests.support.repository import ROOT

STREAMS = [
    pytest.param("none", 0.0, marks=pytest.mark.slow),
    pytest.param("sampling", 0.0, marks=pytest.mark.slow),
    ("sampling", 0.5),
]
"""Ways to draw photos; the last one has all that the others have."""


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Index:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    determinism.enable(0)
    return tiny_detector.records(tmp_path)


def _batches(index: Index, count: int, train=None, **start) -> list[dict]:
    train = train or tiny_detector.train_params()
    stream = input_pipeline.training_batches(index, tiny_detector.config(train), train, **start)
    return [{name: values.numpy() for name, values in batch.items()} for batch in stream.take(count)]


def _same(one: dict, other: dict) -> bool:
    return all(np.array_equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(("class_balance", "mosaic"), STREAMS)
def test_a_stream_from_the_middle_continues_as_the_whole_one(index: Index, class_balance: str, mosaic: float) -> None:
    train = tiny_detector.train_params(class_balance=class_balance, mosaic=mosaic)
    whole = _batches(index, 7, train)
    for place in (1, 4):
        start = {"epoch": int(whole[place - 1]["epoch"]), "position": int(whole[place - 1]["position"])}
        rest = _batches(index, 7 - place, train, **start)
        assert all(_same(one, other) for one, other in zip(whole[place:], rest, strict=True))


@pytest.mark.parametrize(
    "changes",
    [{}, {"mosaic": 0.5}, {"multi_scale": (96,)}],
)
@pytest.mark.slow
def test_the_shares_of_two_machines_are_the_batches_of_one(index: Index, changes: dict) -> None:
    train = tiny_detector.train_params(**changes)
    whole = _batches(index, 3, train)
    shares = [_batches(index, 3, train, share=slice(number, number + 2)) for number in (0, 2)]
    for batch, *parts in zip(whole, *shares, strict=True):
        for name, values in batch.items():
            if values.ndim:
                assert np.array_equal(np.concatenate([part[name] for part in parts]), values), name
            else:
                assert [part[name] for part in parts] == [values, values], name


def test_the_seed_changes_the_stream_and_every_pass_differs(index: Index) -> None:
    first, second = _batches(index, 1), _batches(index, 1, tiny_detector.train_params(seed=1))
    assert not _same(first[0], second[0])
    other_pass = _batches(index, 1, epoch=1)
    assert not np.array_equal(first[0]["image"], other_pass[0]["image"])


@pytest.mark.parametrize(("class_balance", "mosaic"), STREAMS)
def test_batches_are_prepared_ahead_and_in_parallel(index: Index, class_balance: str, mosaic: float) -> None:
    """TensorFlow does neither under determinism where it takes an operation for one with state."""
    train = tiny_detector.train_params(class_balance=class_balance, mosaic=mosaic)
    batches = iter(input_pipeline.training_batches(index, tiny_detector.config(train), train))
    next(batches)
    nodes = tf.data.experimental.get_model_proto(batches).nodes.values()
    parameters = {node.name: {parameter.name: parameter.value for parameter in node.parameters} for node in nodes}
    assert parameters["Prefetch"]["buffer_size"] > 0
    assert parameters["ParallelMapV2"]["parallelism"] >= min(2, os.cpu_count())


def test_batches_have_the_documented_shapes_and_ranges(index: Index) -> None:
    (batch,) = _batches(index, 1)
    assert batch["image"].shape == (4, 64, 64, 3)
    assert batch["image"].min() >= 0 and batch["image"].max() <= 255
    assert batch["boxes"].shape == (4, 1, 4)
    assert batch["boxes"].min() >= 0 and batch["boxes"].max() <= 1
    assert set(batch["weights"].ravel()) <= {0.0, 1.0}


def _photo_in_one_go(config, seed, encoded, boxes, classes, weights) -> list[np.ndarray]:
    """The Object Detection API's order: all steps on float32, then the resizing."""
    steps = list(config.train_config.data_augmentation_options)
    image, *truth = augmentation.augment(steps, seed, inputs.decode(encoded), boxes, classes, weights)
    image, true_shape = model.resizer(config)(image)
    return [image, true_shape, *truth]


def _prepared_both_ways(index: Index, steps: tuple[str, ...], padded: bool = False) -> list[tuple]:
    train = tiny_detector.train_params(augmentation=steps, resolution=48)
    config = tiny_detector.config(train)
    if padded:
        image_resizer = config.model.ssd.image_resizer
        keep = image_resizer.keep_aspect_ratio_resizer
        keep.min_dimension = keep.max_dimension = 48
        keep.pad_to_max_dimension = True
    example = examples.parse_example(next(iter(tf.data.TFRecordDataset(inputs.record_files(index, "train")))))
    arguments = (example["image"], example["boxes"], example["classes"], tf.ones([1]))
    ways = (input_pipeline.augment_and_resize, _photo_in_one_go)
    both = [
        tf.function(lambda seed, way=way: way(config, tf.stack([3, seed]), *arguments), autograph=False) for way in ways
    ]
    return [tuple(way(tf.constant(seed)) for way in both) for seed in range(8)]


def test_steps_that_move_pixels_give_the_same_on_eight_bits(index: Index) -> None:
    for ours, in_one_go in _prepared_both_ways(index, ("random_horizontal_flip", "ssd_random_crop")):
        for one, other in zip(ours, in_one_go, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(("padded", "furthest"), [(False, 40), pytest.param(True, 0, marks=pytest.mark.slow)])
def test_colours_change_after_the_resizing_by_the_same_draws(index: Index, padded: bool, furthest: int) -> None:
    """A pixel at an edge differs, since colours are clipped before or after it is mixed from its neighbours."""
    steps = ("random_horizontal_flip", "ssd_random_crop", "random_distort_color")
    means = []
    for ours, in_one_go in _prepared_both_ways(index, steps, padded):
        assert np.abs(ours[0] - in_one_go[0]).max() <= furthest
        np.testing.assert_allclose(np.mean(ours[0], (0, 1)), np.mean(in_one_go[0], (0, 1)), atol=3)
        for one, other in zip(ours[1:], in_one_go[1:], strict=True):
            np.testing.assert_array_equal(one, other)
        means.append(np.mean(ours[0]))
    assert np.std(means) > 1


def test_mosaics_come_as_often_as_asked_for(index: Index) -> None:
    batches = _batches(index, 20, tiny_detector.train_params(mosaic=0.5, augmentation=()))
    garments = np.concatenate([(batch["weights"] > 0).sum(axis=1) for batch in batches])
    assert set(garments) == {1, 4}
    assert 0.3 < (garments == 4).mean() < 0.7
    assert batches[0]["boxes"].shape == (4, 4, 4)


def test_rarer_classes_weigh_more_and_none_more_than_one() -> None:
    counts = SplitIndex(500, 500, boxes_per_class={"a": 400, "b": 100}, most_boxes=1, shards=())
    index = Index(("a", "b"), {"train": counts})
    assert input_pipeline.class_weights(index) == {"a": 0.5, "b": 1.0}


def test_sampling_repeats_photos_of_rarer_classes(tmp_path: Path, index: Index) -> None:
    train_split = replace(index.splits["train"], boxes_per_class={"bright": 9, "dark": 1})
    unbalanced = replace(index, splits={**index.splits, "train": train_split})
    train = tiny_detector.train_params(class_balance="sampling")
    batches = _batches(unbalanced, 12, train)
    dark = np.concatenate([batch["classes"][:, :, 1].sum(axis=1) for batch in batches]).mean()
    assert dark > 0.6


def test_large_photos_are_shuffled_among_fewer(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    files = inputs.record_files(index, "train")
    size = sum(Path(file).stat().st_size for file in files)
    assert input_pipeline._shuffle_buffer(files, 6) == input_pipeline.SHUFFLE_PHOTOS
    monkeypatch.setattr(input_pipeline, "SHUFFLE_BYTES", size // 2)
    assert input_pipeline._shuffle_buffer(files, 6) in (2, 3)
    monkeypatch.setattr(input_pipeline, "SHUFFLE_BYTES", 1)
    assert input_pipeline._shuffle_buffer(files, 6) == 1
