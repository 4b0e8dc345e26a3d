"""Batches of unlabelled photos: two views of one photo, labels beside it, and the same from any position."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from apparel.data import shards
from apparel.data.index import Index
from apparel.models import inputs
from apparel.models.tfod import determinism
from apparel.training import unlabelled_batches
from tests.support import tiny_detector
from tests.support.repository import ROOT

SIDE = tiny_detector.SIDE


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Index:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    determinism.enable(0)
    return tiny_detector.records(tmp_path, unlabelled=10)


def batches(index: Index, count: int, train, **start: int) -> list[dict]:
    stream = unlabelled_batches.unlabelled_batches(index, tiny_detector.config(train), train, **start)
    return [{name: values.numpy() for name, values in batch.items()} for batch in stream.take(count)]


@pytest.mark.parametrize("teacher", [pytest.param("labels", marks=pytest.mark.slow), "mean"])
def test_a_stream_from_the_middle_continues_as_the_whole_one(index: Index, teacher: str) -> None:
    train = tiny_detector.train_params(teacher=teacher, unlabelled_ratio=0.75)
    whole = batches(index, 7, train)
    assert [batch["image"].shape for batch in whole] == [(3, SIDE, SIDE, 3)] * 7
    for place in (1, 4):
        start = {name: int(whole[place - 1][name]) for name in ("epoch", "position")}
        rest = batches(index, 7 - place, train, **start)
        for one, other in zip(whole[place:], rest, strict=True):
            assert all(np.array_equal(one[name], other[name]) for name in one)


def test_batches_are_prepared_ahead_and_in_parallel(index: Index) -> None:
    train = tiny_detector.train_params(teacher="labels")
    stream = iter(unlabelled_batches.unlabelled_batches(index, tiny_detector.config(train), train))
    next(stream)
    nodes = tf.data.experimental.get_model_proto(stream).nodes.values()
    parameters = {node.name: {parameter.name: parameter.value for parameter in node.parameters} for node in nodes}
    assert parameters["Prefetch"]["buffer_size"] > 0
    assert parameters["ParallelMapV2"]["parallelism"] >= min(2, os.cpu_count())


def test_labels_come_from_the_photos_that_have_them_and_difficult_ones_have_no_weight(
    index: Index, tmp_path: Path
) -> None:
    train = tiny_detector.train_params(teacher="labels", augmentation=())
    for batch in batches(index, 5, train):
        assert (batch["weights"] == 1).all() and (batch["classes"].sum(axis=2) == 1).all()
    photos = [
        tiny_detector._draw(tmp_path / f"u-{number}.png", number % 2, np.random.default_rng(1)) for number in range(4)
    ]
    photos = [replace(photo, difficult=np.array([True])) for photo in photos]
    difficult = shards.write_shards(
        {"train": photos, "unlabelled": photos}, ("a", "b"), 4, tmp_path / "data/results/tfrecord"
    )
    (batch,) = batches(difficult, 1, train)
    assert (batch["weights"] == 0).all() and (batch["boxes"][..., 2] > 0).all()


def test_colours_are_strong_where_the_parameters_change_none(index: Index) -> None:
    steps = {"teacher": "labels", "augmentation": ("random_horizontal_flip",)}
    colours = [batch["image"].mean() for batch in batches(index, 8, tiny_detector.train_params(**steps))]
    assert np.std(colours) > 5


def test_the_student_sees_a_part_of_what_the_teacher_sees(index: Index) -> None:
    train = tiny_detector.train_params(teacher="mean")
    bright = {"image": [], "weak": []}
    for batch in batches(index, 4, train):
        height, width = (batch["window"][:, 2:] - batch["window"][:, :2]).T
        assert (height * width > unlabelled_batches.SMALLEST_PART - 0.03).all() and (height * width <= 1).all()
        for number, (low_y, low_x, high_y, high_x) in enumerate(batch["window"] * SIDE):
            weak = batch["weak"][number, round(low_y) : round(high_y), round(low_x) : round(high_x)]
            view = tf.image.resize(weak, [SIDE, SIDE]).numpy().mean(axis=2)
            image = batch["image"][number].mean(axis=2)
            if image.std() > 20:  # colours may all but vanish
                bright["image"].append(image.ravel())
                bright["weak"].append(view.ravel())
    alike = [abs(np.corrcoef(one, other)[0, 1]) for one, other in zip(*bright.values(), strict=True)]
    assert len(alike) > 10 and min(alike) > 0.9


def test_without_crops_and_mirroring_both_see_the_photo_as_it_is(index: Index) -> None:
    (batch,) = batches(index, 1, tiny_detector.train_params(teacher="mean", augmentation=()))
    np.testing.assert_array_equal(batch["window"], [[0, 0, 1, 1]] * 4)
    records = tf.data.TFRecordDataset(inputs.record_files(index, "unlabelled"))
    photos = [inputs.decode(unlabelled_batches.examples.parse_example(record)["image"]).numpy() for record in records]
    assert all(any(np.array_equal(weak, photo) for photo in photos) for weak in batch["weak"])


def test_windows_are_inside_and_of_the_area_and_shape_that_is_drawn() -> None:
    smallest = unlabelled_batches.draw_window(tf.constant([0.0, 0.5, 0.0, 1.0])).numpy()
    side = 0.3**0.5
    np.testing.assert_allclose(smallest, [0, 1 - side, side, 1], atol=1e-6)
    np.testing.assert_allclose(unlabelled_batches.draw_window(tf.ones(4)).numpy()[2:], [1, 1])
    wide = unlabelled_batches.draw_window(tf.constant([0.0, 1.0, 0.5, 0.5])).numpy()
    assert (wide[3] - wide[1]) / (wide[2] - wide[0]) == pytest.approx(4 / 3)


def test_there_is_at_least_one_unlabelled_photo_in_a_step() -> None:
    sizes = [
        unlabelled_batches.batch_size(tiny_detector.train_params(unlabelled_ratio=ratio)) for ratio in (0.01, 1, 8)
    ]
    assert sizes == [1, 4, 32]
