"""The trained detector as an MLflow model with a signature, which MLflow loads and serves."""

import base64
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd

from apparel.versioning import provenance

NAME = "detector"
"""The model's name in MLflow."""

REQUIREMENTS = ("tensorflow", "tf_keras", "tf-object-detection-api", "numpy", "pandas", "pillow")
"""Packages that MLflow lists with the model, in the versions of today."""


def log(client: Any, run: str, folder: Path, example: Path) -> None:
    """Logs the model as an output of a run; completes what an interrupted attempt left.

    Args:
        client: MLflow's.
        run: MLflow's id of the run.
        folder: what `Detector.save` wrote.
        example: a photo, which MLflow shows as the example of an input.
    """
    from mlflow.entities import LoggedModelOutput

    experiment = client.get_run(run).info.experiment_id
    models = client.search_logged_models([experiment], f"source_run_id = '{run}' AND name = '{NAME}'", max_results=1)
    model = models[0] if models else client.create_logged_model(experiment, NAME, run, model_type="object detection")
    with tempfile.TemporaryDirectory() as temporary:
        save(folder, example, Path(temporary, "model"), model.model_id, run)
        client.log_model_artifacts(model.model_id, str(Path(temporary, "model")))
    client.log_outputs(run, [LoggedModelOutput(model.model_id, step=0)])
    client.finalize_logged_model(model.model_id, "READY")


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
        pip_requirements=[f"{name}=={versions[f'version.{name}']}" for name in REQUIREMENTS],
        mlflow_model=Model(model_id=model, model_uuid=model, run_id=run),
    )


def _signature() -> Any:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema

    corners = [ColSpec("double", corner) for corner in ("xmin", "ymin", "xmax", "ymax")]
    return ModelSignature(
        inputs=Schema([ColSpec("string", "image")]),
        outputs=Schema([ColSpec("long", "photo"), ColSpec("string", "class"), ColSpec("double", "score"), *corners]),
        params=ParamSchema([ParamSpec("lowest_score", "double", 0.0)]),
    )
