"""The trained detector as an MLflow model with a signature, which MLflow loads and serves."""

import base64
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from apparel.models import thresholds
from apparel.tracking.artifacts import Artifacts
from apparel.tracking.receipt import Unconfirmed, require, stored_run
from apparel.versioning import provenance

if TYPE_CHECKING:
    from mlflow.entities import LoggedModel, Run

NAME = "detector"
"""The model's name in MLflow."""

REQUIREMENTS = ("tensorflow", "tf_keras", "tf-object-detection-api", "numpy", "pandas", "pillow")
"""Packages that MLflow lists with the model, in the versions of today."""


def log(client: Any, run: "Run", folder: Path, example: Path) -> None:
    """Logs the model as an output of a run; completes what an interrupted attempt left.

    Args:
        client: MLflow's.
        run: as MLflow has it.
        folder: what `Detector.save` wrote.
        example: a photo, which MLflow shows as the example of an input.

    Raises:
        Unconfirmed: MLflow does not have all of it.
    """
    from mlflow.entities import LoggedModelOutput

    experiment, run_id = run.info.experiment_id, run.info.run_id
    if not _stored(client, experiment, run_id):
        client.create_logged_model(experiment, NAME, run_id, model_type="object detection")
    model = _stored(client, experiment, run_id)
    require([] if model else ["the model"])
    with tempfile.TemporaryDirectory() as temporary:
        save(folder, example, Path(temporary, "model"), model.model_id, run_id)
        Artifacts(client, model.artifact_location).upload_folder(Path(temporary, "model"))
    if not _is_output(run, model.model_id):
        client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=0)])
        require([] if _is_output(stored_run(client, run_id), model.model_id) else ["the model as an output of its run"])
    client.finalize_logged_model(model.model_id, "READY")
    model = _stored(client, experiment, run_id)
    require([] if model and model.status == "READY" else ["the model's status READY"])


def logged_id(client: Any, run: "Run") -> str | None:
    """MLflow's id of the run's model; None if MLflow does not have it whole."""
    model = _stored(client, run.info.experiment_id, run.info.run_id)
    return model.model_id if model and model.status == "READY" else None


def is_logged(client: Any, run: "Run") -> bool:
    """Whether MLflow has the run's model whole."""
    model = _stored(client, run.info.experiment_id, run.info.run_id)
    return model is not None and model.status == "READY" and _is_output(run, model.model_id)


def _is_output(run: "Run", model: str) -> bool:
    return model in {output.model_id for output in run.outputs.model_outputs} if run.outputs else False


def _stored(client: Any, experiment: str, run: str) -> "LoggedModel | None":
    """The run's model as MLflow has it; a second one, made after a false answer to the search, is deleted."""
    models = client.search_logged_models([experiment], f"source_run_id = '{run}' AND name = '{NAME}'")
    if any(model.source_run_id != run or not model.model_id or not model.artifact_location for model in models):
        raise Unconfirmed("what answers there is not MLflow, or gives other models than it was asked for")
    models = sorted(models, key=lambda model: (model.status != "READY", model.creation_timestamp, model.model_id))
    for surplus in models[1:]:
        client.delete_logged_model(surplus.model_id)
    return models[0] if models else None


def save(folder: Path, example: Path, target: Path, model: str | None = None, run: str | None = None) -> None:
    """Writes the model in the format of `mlflow.pyfunc.load_model`, without importing TensorFlow."""
    from mlflow import pyfunc
    from mlflow.models import Model

    photo = base64.b64encode(example.read_bytes()).decode("ascii")
    versions = provenance.packages()
    pyfunc.save_model(
        path=str(target),
        python_model=str(Path(__file__).with_name("pyfunc_model.py")),
        artifacts={"model": str(folder.absolute())},
        signature=_signature(),
        input_example=pd.DataFrame({"image": [photo]}),
        metadata=_metadata(folder),
        pip_requirements=[f"{name}=={versions[f'version.{name}']}" for name in REQUIREMENTS],
        mlflow_model=Model(model_id=model, model_uuid=model, run_id=run),
    )


def _metadata(folder: Path) -> dict[str, Any]:
    """What MLflow shows of the model: its classes and thresholds; the latter not of a model that has none."""
    classes = json.loads((folder / "classes.json").read_text(encoding="utf-8"))
    if not (folder / thresholds.FILE).exists():
        return {"classes": classes}
    chosen = thresholds.read_thresholds(folder, classes)
    return {"classes": classes, "thresholds": chosen.by_class, "min_precision": chosen.min_precision}


def _signature() -> Any:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema

    corners = [ColSpec("double", corner) for corner in ("xmin", "ymin", "xmax", "ymax")]
    return ModelSignature(
        inputs=Schema([ColSpec("string", "image")]),
        outputs=Schema([ColSpec("long", "photo"), ColSpec("string", "class"), ColSpec("double", "score"), *corners]),
        params=ParamSchema([ParamSpec(name, "double", -1.0) for name in ("threshold", "lowest_score")]),
    )
