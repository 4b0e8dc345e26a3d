"""The detector as MLflow stores and loads it."""

import base64
from pathlib import Path

import pandas as pd
import pytest

from apparel import outbox, params, paths, tracking, tracking_records, tracking_sender
from tests import tiny

ROOT = Path(__file__).parents[2]
COLUMNS = ["photo", "class", "score", "xmin", "ymin", "xmax", "ymax"]


@pytest.mark.slow
def test_a_run_has_one_model_that_mlflow_loads(tmp_path, monkeypatch):
    import mlflow

    from apparel import detector, inputs

    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    index = tiny.records(tmp_path)
    config = tiny.config(tiny.train_params())
    monkeypatch.chdir(tmp_path)
    detector.Detector(config, tiny.CLASSES).save(paths.MODEL)
    photo = inputs.first_photo(index, "val")
    with tracking.open_run(params.load(ROOT / "params.yaml"), "key") as run:
        run.model(paths.MODEL, photo)
    box = outbox.find(run.id)
    box.advance(box.sent()[0], 0)  # as after a crash: all is sent once more
    tracking_sender.Sender(box).send()

    mlflow.set_tracking_uri("sqlite:///mlflow.db")
    (stored,) = mlflow.search_logged_models(experiment_ids=["1"], output_format="list")
    assert (stored.source_run_id, str(stored.status)) == (tracking_records.mlflow_id(run.id), "READY")
    model = mlflow.pyfunc.load_model(f"models:/{stored.model_id}")
    assert model.metadata.get_input_schema().input_names() == ["image"]
    found = model.predict(pd.DataFrame({"image": [base64.b64encode(photo).decode()] * 2}))
    assert list(found) == COLUMNS and set(found["photo"]) == {0, 1}
    assert found["class"].isin(tiny.CLASSES).all() and found["score"].between(0, 1).all()
    assert (found[["xmax", "ymax"]] <= tiny.SIDE + 1e-3).all(axis=None)
    assert model.predict(model.input_example, params={"lowest_score": 1.0}).empty
    assert not list(Path("mlartifacts").rglob("*.pkl"))
