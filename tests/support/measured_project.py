"""A small DVC project with results that were made up here: nothing is trained, all that follows is real."""

import contextlib
import hashlib
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
from PIL import Image

from apparel import paths
from apparel.boxes import CORNERS
from apparel.evaluation import breakdown, evaluate, report
from tests.support import project_copy
from tests.support.repository import ROOT

CLASSES = ["Dresses", "Skirts", "Tops"]
NAMES = [f"{number} <b>.png" for number in range(20)]
SIDE = 64
PIPELINE = """stages:
  draw:
    cmd: python -c pass
    outs: [data/demo/photos]
  eval:
    cmd: python -c pass
    params: [data, train]
    deps: [data/demo/photos, apparel/evaluation/metrics.py]
    outs:
      - data/results/train/model
      - data/results/eval
"""


def new(folder: Path) -> None:
    """Makes `folder`, which is to be the working directory, a git repository with DVC and one stage."""
    project_copy.git(folder, "init", "--quiet", "--initial-branch=main")
    (folder / ".dvc").mkdir()
    shutil.copy(ROOT / ".dvc" / "config", folder / ".dvc" / "config")
    shutil.copy(ROOT / "params.yaml", folder / "params.yaml")
    project_copy.set_params(folder / "params.yaml", data={"classes": CLASSES})
    (folder / "apparel" / "evaluation").mkdir(parents=True)
    (folder / "apparel" / "evaluation" / "metrics.py").write_text("", encoding="utf-8")
    (folder / "dvc.yaml").write_text(PIPELINE, encoding="utf-8")
    (folder / ".gitignore").write_text("/data\n/.apparel\n/mlflow.db\n/mlartifacts\n", encoding="utf-8")


def photo(name: str, seed: int = 0) -> None:
    """Draws a photo where the data set has it."""
    path = paths.photos("demo") / name
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng([seed, *name.encode()]).integers(0, 255, (8, 8, 3), np.uint8)
    Image.fromarray(noise).resize((SIDE, SIDE)).save(path)


def ground_truth(names: list[str]) -> pd.DataFrame:
    """One box of each class on each photo."""
    places = {"Dresses": (2, 2, 22, 30), "Skirts": (30, 4, 50, 24), "Tops": (10, 36, 40, 60)}
    rows = [(name, SIDE, SIDE, each, *map(float, places[each]), False) for name in names for each in CLASSES]
    return pd.DataFrame(rows, columns=["filename", "width", "height", "class", *CORNERS, "difficult"])


def write(
    names: list[str], detected: dict[str, float], seed: int = 0, classes: list[str] = CLASSES
) -> evaluate.SplitMetrics:
    """Writes the outputs of train and eval; returns the metrics on test.

    Args:
        names: the test photos; they are drawn where they are missing.
        detected: fraction of the boxes of a class that are detected, 0 to 1; the others have a wrong detection.
        seed: of the draw of the detected boxes.
        classes: of the detector.
    """
    for name in names:
        if not (paths.photos("demo") / name).exists():
            photo(name)
    truth = ground_truth(names)
    truth = truth[truth["class"].isin(classes)].reset_index(drop=True)
    random = np.random.default_rng(seed)
    hit = random.random(len(truth)) < truth["class"].map(detected)
    detections = truth.assign(score=np.where(hit, 0.9, 0.6) - random.random(len(truth)) / 5)
    detections.loc[~hit, ["xmin", "xmax"]] = [52.0, 63.0]
    photos = truth[["filename", "width", "height"]].drop_duplicates(ignore_index=True)
    tables = SimpleNamespace(
        photos=photos, ground_truth=truth, detections=detections[["filename", "class", "score", *CORNERS]]
    )
    test = evaluate.measure_split(tables, "test", classes, dict.fromkeys(classes, 0.5))
    digests = {name: hashlib.sha256((paths.photos("demo") / name).read_bytes()).hexdigest() for name in names}
    report.write_tables(test, test, {"test": breakdown.break_down(test)}, digests)
    paths.MODEL.mkdir(parents=True, exist_ok=True)
    (paths.MODEL / "weights").write_text(f"{detected} {seed}", encoding="utf-8")
    return test


def commit(folder: Path, message: str) -> None:
    """Has DVC take what lies there for what the stage made, and git commit it."""
    done = project_copy.run(folder, "dvc", "commit", "--force", "--quiet")
    assert done.returncode == 0, done.stdout
    project_copy.git(folder, "add", "--all")
    project_copy.git(folder, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--message", message)


def two_commits(folder: Path) -> Path:
    """Makes a project with two commits' results on `NAMES`."""
    with contextlib.chdir(folder):
        new(folder)
        write(NAMES, {"Dresses": 0.0, "Skirts": 0.6, "Tops": 1.0})
        commit(folder, "first")
        project_copy.set_params(folder / "params.yaml", train={"learning_rate": 0.001})
        (folder / "apparel" / "evaluation" / "metrics.py").write_text("changed = True\n", encoding="utf-8")
        write(NAMES, {"Dresses": 1.0, "Skirts": 0.6, "Tops": 0.0}, seed=1)
        commit(folder, "second")
    return folder
