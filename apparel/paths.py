"""Shared paths, relative to the project's root, where DVC runs the stages, and names of environment variables."""

import os
from pathlib import Path

PARAMS = Path("params.yaml")
DVC_YAML = Path("dvc.yaml")
CONFIGS = Path("configs")
DATA = Path("data")
PRETRAINED = DATA / "pretrained"
UNLABELLED = DATA / "unlabelled"
RESULTS = DATA / "results"

CHECKED = RESULTS / "check" / "ok.txt"

CONVERT = RESULTS / "convert"
LABELS = CONVERT / "labels.csv"
DIFFICULT = CONVERT / "difficult.csv"
PHOTOS_TABLE = CONVERT / "photos.csv"
CONVERT_REPORT = CONVERT / "convert.json"

SPLIT = RESULTS / "split"
UNLABELLED_TABLE = SPLIT / "unlabelled.csv"
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
ERROR_TYPES = EVAL / "errors.csv"
STRATA = EVAL / "strata.csv"
DETECTIONS = EVAL / "detections.csv"
GROUND_TRUTH = EVAL / "ground_truth.csv"
TEST_PHOTOS = EVAL / "photos.csv"
EVAL_PAGE = EVAL / "index.html"
EVAL_FILES = (
    METRICS, PER_CLASS, PR_CURVE, CONFUSION, ERROR_TYPES, STRATA, DETECTIONS, GROUND_TRUTH, TEST_PHOTOS, EVAL_PAGE,
)  # fmt: skip
EVAL_PICTURES = EVAL / "pictures"

EXPORT = RESULTS / "export"
EXPORTS = {
    "saved_model": EXPORT / "saved_model",
    "tflite": EXPORT / "tflite" / "detector.tflite",
    "tflite_int8": EXPORT / "tflite_int8" / "detector_int8.tflite",
    "onnx": EXPORT / "onnx" / "detector.onnx",
}
"""What holds the exported model, by format: a file, or a folder for a SavedModel.

Each format has a folder of its name, since the stage export makes each as an output of its own.
"""

LOCAL = Path(os.environ.get("DVC_ROOT", ""), ".apparel")
"""Untracked state of this clone: run ids, checkpoints under way, what waits for the MLflow server.

DVC runs an experiment in a copy of the project and names the project itself in `DVC_ROOT`: the state is one for all.
"""

STAGE_LOCKS = Path(".apparel")
"""Locks of running stages: unlike `LOCAL` in the experiment's copy, so two experiments may run one stage at once."""

REFUSED = LOCAL / "refused.json"
"""The report that `convert.strict` last refused."""

STUDY_VARIABLE = "APPAREL_STUDY"
TRIAL_VARIABLE = "APPAREL_TRIAL"
PARENT_RUN_VARIABLE = "APPAREL_PARENT_RUN_ID"
TRIAL_FOLDER_VARIABLE = "APPAREL_TRIAL_FOLDER"
WORKER_VARIABLE = "APPAREL_WORKER"
"""Environment variables by which a sweep tells a training which trial it is.

The study's name and the trial's number; MLflow's id of the sweep's run; the folder for messages between the training
and its worker; the worker's process id.
"""


def project_root() -> Path | None:
    """The nearest folder, from the current one upwards, that is a copy of the project; None outside of any."""
    folders = (Path.cwd(), *Path.cwd().parents)
    return next((path for path in folders if (path / ".dvc").is_dir() and (path / PARAMS).is_file()), None)


def export_report(format: str) -> Path:
    """What was measured of the model that the stage export wrote in a format."""
    return EXPORT / format / "export.json"


def photos(name: str) -> Path:
    """The folder of photos of data set `name`."""
    return DATA / name / "photos"


def annotations(name: str) -> Path:
    """The folder of annotation files of data set `name`."""
    return DATA / name / "annotations"


def lists(name: str) -> Path:
    """The folder of published CSV lists of data set `name`."""
    return DATA / name / "lists"
