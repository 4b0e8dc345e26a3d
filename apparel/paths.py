"""Every path the stages share, relative to the project's root, which is where DVC runs them."""

from pathlib import Path

PARAMS = Path("params.yaml")
CONFIGS = Path("configs")
DATA = Path("data")
PRETRAINED = DATA / "pretrained"
RESULTS = DATA / "results"

LABELS = RESULTS / "convert" / "labels.csv"
PHOTOS_TABLE = RESULTS / "convert" / "photos.csv"
CONVERT_REPORT = RESULTS / "convert" / "convert.json"

SPLIT = RESULTS / "split"
TFRECORD = RESULTS / "tfrecord"

TRAIN = RESULTS / "train"
MODEL = TRAIN / "model"
HISTORY = TRAIN / "history.csv"
VAL_METRICS = TRAIN / "val.json"

EVAL = RESULTS / "eval"
METRICS = EVAL / "metrics.json"

LOCAL = Path(".apparel")
"""Untracked state of this clone: run ids, checkpoints under way, what waits for the MLflow server."""


def photos(name: str) -> Path:
    """The folder of photos of data set `name`."""
    return DATA / name / "photos"


def annotations(name: str) -> Path:
    """The folder of annotation files of data set `name`."""
    return DATA / name / "annotations"


def lists(name: str) -> Path:
    """The folder of published CSV lists of data set `name`."""
    return DATA / name / "lists"
