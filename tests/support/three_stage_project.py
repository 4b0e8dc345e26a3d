"""A DVC project of three stages that run in a moment, laid out as this one is: for what DVC, git and hashes do."""

from pathlib import Path

from tests.support import project_copy

WORK = """
import json
import sys
from pathlib import Path

from ruamel.yaml import YAML

params = YAML(typ="safe").load(Path("params.yaml"))
made = Path("data/results") / sys.argv[1]
read = {"convert": "data/shop/photos/*", "train": "data/results/convert/*", "eval": "data/results/train/model/*"}
text = "".join(f"{path.name} {path.read_text()}" for path in sorted(Path().glob(read[sys.argv[1]])))
if sys.argv[1] == "train":
    text += str(params["train"]["seed"])
out = {"convert": "labels.csv", "train": "model/weights.txt", "eval": "detections.csv"}[sys.argv[1]]
(made / out).parent.mkdir(parents=True, exist_ok=True)
(made / out).write_text(text)
if sys.argv[1] != "convert":
    (made / "metrics.json").write_text(json.dumps({"characters": len(text)}))
"""

DVC_YAML = """
stages:
  convert:
    cmd: python stages/work.py convert
    deps: [data/shop/annotations, data/shop/photos, stages/work.py]
    params: [data]
    outs: [data/results/convert]
  train:
    cmd: python stages/work.py train
    deps: [data/results/convert, stages/work.py]
    params: [train]
    outs: [data/results/train/model]
    metrics:
      - data/results/train/metrics.json: {cache: false}
  eval:
    cmd: python stages/work.py eval
    deps: [data/results/train/model, stages/work.py]
    outs: [data/results/eval/detections.csv]
    metrics:
      - data/results/eval/metrics.json: {cache: false}
"""

FILES = {
    ".dvc/config": "[core]\n    analytics = false\n    check_update = false\n",
    ".dvc/.gitignore": "/config.local\n/tmp\n/cache\n",
    "params.yaml": "data:\n  name: shop\ntrain:\n  seed: 0\n",
    "dvc.yaml": DVC_YAML,
    "stages/work.py": WORK,
    "data/shop/source.json": '{"source": "../shop.zip", "revision": null}\n',
    "data/shop/photos/one.jpg": "photo one",
    "data/shop/photos/two.jpg": "photo two",
    "data/shop/annotations/one.xml": "<annotation/>",
}


def new(folder: Path) -> Path:
    """The project, never run, in a git repository without a commit."""
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    project_copy.git(folder, "init", "--quiet", "--initial-branch", "main")
    project_copy.git(folder, "config", "user.name", "test")
    project_copy.git(folder, "config", "user.email", "test@localhost")
    return folder


def make(folder: Path) -> Path:
    """The project, run once and committed."""
    new(folder)
    dvc(folder, "add", "--quiet", "data/shop/photos", "data/shop/annotations")
    dvc(folder, "repro", "--quiet")
    commit(folder, "results")
    return folder


def commit(folder: Path, message: str) -> str:
    """Commits everything; returns the commit's hash."""
    project_copy.git(folder, "add", "--all")
    project_copy.git(folder, "commit", "--quiet", "--message", message)
    return project_copy.git(folder, "rev-parse", "HEAD").strip()


def dvc(folder: Path, *arguments: str, **environment: str) -> str:
    """What `dvc ARGUMENTS` prints; it must succeed."""
    done = project_copy.run(folder, "dvc", *arguments, **environment)
    assert done.returncode == 0, done.stdout
    return done.stdout
