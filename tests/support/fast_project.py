"""A copy of the project whose train and eval take a second: they learn nothing, and keep everything else that holds
between stages, DVC and MLflow. For tests of what is around a training."""

from pathlib import Path

from tests.support import project_copy

TRAIN = """
from apparel import errors, params, paths
from apparel.tracking import runs
from apparel.utils import files


def main() -> None:
    chosen = params.load()
    with runs.open_run(chosen, "quick") as run:
        index = (paths.TFRECORD / "index.json").read_text(encoding="utf-8")
        files.write_text(paths.MODEL / "weights.txt", f"{chosen.train} {index}")
        files.write_json(paths.MODEL / "kept" / "classes.json", list(chosen.data.classes))
        files.write_text(paths.HISTORY, "epoch,train/loss,val/loss,val/mAP50\\n1,1.0,1.0,0.5\\n")
        files.write_json(paths.VAL_METRICS, {"val": {"mAP50": 0.5, "step": chosen.train.seed}})
        run.record_model(paths.MODEL)
        run.log_folder(paths.MODEL, "model")


if __name__ == "__main__":
    errors.run(main)
"""

EVAL = """
from pathlib import Path

from ruamel.yaml import YAML

from apparel import errors, params, paths
from apparel.tracking import runs
from apparel.utils import files


def main() -> None:
    model = (paths.MODEL / "weights.txt").read_text(encoding="utf-8")
    for path in map(Path, YAML(typ="safe").load(Path("dvc.yaml"))["stages"]["eval"]["outs"]):
        files.write_text(path if path.suffix else path / "one.txt", f"{path.name} of {model}")
    files.write_json(paths.METRICS, {"test": {"mAP50": 0.5}})
    with runs.run_of_model(paths.MODEL, params.load()) as run:
        run.log_metrics({"test/mAP50": 0.5})


if __name__ == "__main__":
    errors.run(main)
"""

DRAWN = {"photos": 24, "photos_without_garment": 2, "size": 96}


def copy(folder: Path) -> Path:
    """The copy, few photos in its drawn data set, committed."""
    project_copy.copy(folder)
    (folder / "stages" / "train.py").write_text(TRAIN, encoding="utf-8")
    (folder / "stages" / "eval.py").write_text(EVAL, encoding="utf-8")
    project_copy.set_params(folder / "data" / "demo" / "params.yaml", draw=DRAWN)
    commit(folder, "quick")
    return folder


def repro(folder: Path) -> str:
    """`dvc repro`, and a commit of what it recorded; returns what it printed."""
    done = project_copy.run(folder, "dvc", "repro")
    assert done.returncode == 0, done.stdout
    commit(folder, "results")
    return done.stdout


def commit(folder: Path, message: str) -> str:
    """Commits everything; returns the commit's hash."""
    project_copy.git(folder, "add", "--all")
    author = ("-c", "user.name=test", "-c", "user.email=test@localhost")
    project_copy.git(folder, *author, "commit", "--quiet", "--allow-empty", "--message", message)
    return project_copy.git(folder, "rev-parse", "HEAD").strip()
