"""A detector, records and parameters small enough to train within a test."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from apparel import params, paths
from apparel.data import shards
from apparel.data.example_writer import Photo
from apparel.data.index import Index
from apparel.models import pipeline_config
from tests.support.repository import ROOT

CLASSES = ("bright", "dark")
SIDE = 64


class Killed(Exception):
    """Stands for the end of the process."""


@contextmanager
def project(folder: Path) -> Iterator[Path]:
    """A folder with the pipeline files, the working directory meanwhile."""
    before = Path.cwd()
    (folder / "configs").symlink_to(ROOT / "configs")
    os.chdir(folder)
    try:
        yield folder
    finally:
        os.chdir(before)


def train_params(**changes) -> params.Train:
    """The section `train`, shrunk."""
    small = {"resolution": SIDE, "depth_multiplier": 0.25, "batch_size": 4, "steps": 6, "validate_every": 1}
    small |= {"augmentation": ("random_horizontal_flip", "ssd_random_crop"), "learning_rate": 0.001}
    return params.load(ROOT / paths.PARAMS).train.model_copy(update=small | changes)


def records(folder: Path, photos: int = 12, unlabelled: int = 0) -> Index:
    """Writes photos of one square each, and their TFRecords where the stages look for them; returns the index.

    Of the unlabelled photos, each second one has labels.
    """
    random = np.random.default_rng(0)
    drawn = [_draw(folder / f"photo-{number}.png", number % len(CLASSES), random) for number in range(photos)]
    splits = {"train": drawn[: photos // 2], "val": drawn[photos // 2 :], "test": drawn[:1]}
    if unlabelled:
        more = [
            _draw(folder / f"more-{number}.png", number // 2 % len(CLASSES), random) for number in range(unlabelled)
        ]
        splits["unlabelled"] = [photo if number % 2 else without_labels(photo) for number, photo in enumerate(more)]
    return shards.write_shards(splits, CLASSES, 4, folder / paths.TFRECORD)


def without_labels(photo: Photo) -> Photo:
    """The photo without its boxes."""
    return replace(photo, boxes=photo.boxes[:0], class_ids=photo.class_ids[:0], difficult=photo.difficult[:0])


def _draw(path: Path, kind: int, random: np.random.Generator) -> Photo:
    left, top = random.integers(2, 20, 2)
    image = random.integers(90, 110, (SIDE, SIDE, 3)).astype(np.uint8)
    image[top : top + 36, left : left + 30] = 230 if kind == 0 else 10
    Image.fromarray(image).save(path)
    box = np.array([[left, top, left + 30, top + 36]], float)
    return Photo(path, SIDE, SIDE, box, np.array([kind + 1]), np.array([False]))


def config(train: params.Train, classes: tuple[str, ...] = CLASSES):
    """The merged pipeline file."""
    return pipeline_config.merge(train, len(classes), pipeline_config.steps_of(train, photos=6))
