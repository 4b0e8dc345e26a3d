"""Runs with a logged model in MLflow, as `apparel promote` finds them: made up, nothing is trained."""

import shutil
from pathlib import Path

from apparel import paths
from apparel.tracking import model
from apparel.tracking.artifacts import Artifacts
from apparel.tracking.server import LOCAL_SERVER, clean_name, connect, tracking_uri
from apparel.utils import files
from apparel.versioning import dvc_hash, integrity


def new_database() -> None:
    """Makes MLflow's database in the working directory."""
    connect(LOCAL_SERVER).search_experiments()


def model_folder(folder: Path, content: str) -> str:
    """Writes a model folder with its checksums; returns DVC's hash of it."""
    files.remove_tree(folder)
    (folder / "checkpoint").mkdir(parents=True)
    (folder / "checkpoint" / "ckpt-0.index").write_text(content, encoding="utf-8")
    (folder / "classes.json").write_text('["Tops"]', encoding="utf-8")
    integrity.write_checksums(folder)
    return dvc_hash.path_hash(folder)


def log_model(run: str, folder: Path) -> str:
    """Logs a model folder as the model of a run, where `model.log` would put it; returns MLflow's id of the model."""
    client = connect(tracking_uri())
    experiment = client.get_run(run).info.experiment_id
    logged = client.create_logged_model(experiment, model.NAME, run, model_type="object detection")
    copy = folder.with_name("to-log")
    files.remove_tree(copy)
    shutil.copytree(folder, copy / "artifacts" / "model")
    Artifacts(client, logged.artifact_location).upload_folder(copy)
    client.finalize_logged_model(logged.model_id, "READY")
    return logged.model_id


def run_with_model(content: str) -> tuple[str, str]:
    """A run with a model of this content; returns MLflow's id of the run and DVC's hash of the model."""
    client = connect(tracking_uri())
    found = client.get_experiment_by_name("demo")
    experiment = found.experiment_id if found else client.create_experiment("demo")
    run = client.create_run(experiment).info.run_id
    md5 = model_folder(Path("made") / "model", content)
    client.set_tag(run, clean_name(paths.MODEL.as_posix()), md5)
    log_model(run, Path("made") / "model")
    return run, md5
