"""A small DVC project whose results are runs in MLflow with a model: what `apparel promote` compares."""

from pathlib import Path

from apparel import params, paths
from apparel.tracking.server import clean_name, connect, tracking_uri
from apparel.versioning import dvc_hash
from tests.support import measured_project, project_copy, registered_models

NAMES = [f"{number:02}.png" for number in range(30)]
WEAK, STRONG = {"Dresses": 0.3, "Skirts": 0.3, "Tops": 0.3}, {"Dresses": 1.0, "Skirts": 1.0, "Tops": 1.0}
ARTIFACTS = "artifacts:\n  garments:\n    path: data/results/train/model\n    type: model\n"


def new(folder: Path) -> None:
    """Makes the project in `folder`, the working directory."""
    measured_project.new(folder)
    project_copy.git(folder, "config", "user.name", "a")
    project_copy.git(folder, "config", "user.email", "a@b")
    with (folder / "dvc.yaml").open("a", encoding="utf-8") as file:
        file.write(ARTIFACTS)
    with (folder / ".gitignore").open("a", encoding="utf-8") as file:
        file.write("/mlruns\n")


def result(folder: Path, name: str, detected: dict[str, float], names: list[str] = NAMES, seed: int = 0) -> str:
    """Writes and commits results, and sends MLflow their run with eval's files and the model; returns the run's id."""
    measured_project.write(names, detected, seed)
    measured_project.commit(folder, name)
    client = connect(tracking_uri())
    found = client.get_experiment_by_name("demo")
    experiment = found.experiment_id if found else client.create_experiment("demo")
    tags = {clean_name(paths.MODEL.as_posix()): dvc_hash.path_hash(paths.MODEL), "machine.cpu": "a processor"}
    run = client.create_run(experiment, run_name=name, tags=tags).info.run_id
    for key, value in params.load().flat().items():
        client.log_param(run, key, value)
    for path in filter(Path.exists, paths.EVAL_FILES):
        client.log_artifact(run, str(path), "eval")
    registered_models.log_model(run, paths.MODEL)
    return run
