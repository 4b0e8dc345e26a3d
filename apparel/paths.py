"""Every path the stages share, relative to the project's root, which is where DVC runs them."""

import os
from pathlib import Path

PARAMS = Path("params.yaml")
CONFIGS = Path("configs")
DATA = Path("data")
PRETRAINED = DATA / "pretrained"
RESULTS = DATA / "results"

CONVERT = RESULTS / "convert"
LABELS = CONVERT / "labels.csv"
DIFFICULT = CONVERT / "difficult.csv"
PHOTOS_TABLE = CONVERT / "photos.csv"
CONVERT_REPORT = CONVERT / "convert.json"

SPLIT = RESULTS / "split"
TFRECORD = RESULTS / "tfrecord"

TRAIN = RESULTS / "train"
MODEL = TRAIN / "model"
HISTORY = TRAIN / "history.csv"
VAL_METRICS = TRAIN / "val.json"

EVAL = RESULTS / "eval"
METRICS = EVAL / "metrics.json"
PER_CLASS = EVAL / "per_class.csv"
PR_CURVE = EVAL / "pr_curve.csv"
CONFUSION = EVAL / "confusion.csv"
DETECTIONS = EVAL / "detections.csv"
GROUND_TRUTH = EVAL / "ground_truth.csv"
TEST_PHOTOS = EVAL / "photos.csv"
EVAL_PAGE = EVAL / "index.html"
EVAL_FILES = (METRICS, PER_CLASS, PR_CURVE, CONFUSION, DETECTIONS, GROUND_TRUTH, TEST_PHOTOS, EVAL_PAGE)
EVAL_PICTURES = EVAL / "pictures"

LOCAL = Path(os.environ.get("DVC_ROOT", ""), ".apparel")
"""Untracked state of this clone: run ids, checkpoints under way, what waits for the MLflow server.

DVC runs an experiment in a copy of the project and names the project itself in `DVC_ROOT`: the state is one for all.
"""

REFUSED = LOCAL / "refused.json"
"""What `convert.strict` refused last."""


def photos(name: str) -> Path:
    """The folder of photos of data set `name`."""
    return DATA / name / "photos"


def annotations(name: str) -> Path:
    """The folder of annotation files of data set `name`."""
    return DATA / name / "annotations"


def lists(name: str) -> Path:
    """The folder of published CSV lists of data set `name`."""
    return DATA / name / "lists"
