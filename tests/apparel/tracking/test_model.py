"""The detector as MLflow stores and loads it."""

import base64
from pathlib import Path

import pandas as pd
import pytest

from apparel import params, paths
from apparel.errors import UserError
from apparel.models.thresholds import Thresholds
from apparel.tracking import local_runs, runs
from apparel.tracking.outbox import find_outbox
from apparel.tracking.sender import Sender
from tests.support import tiny_detector
from tests.support.repository import ROOT

COLUMNS = ["photo", "class", "score", "xmin", "ymin", "xmax", "ymax"]


@pytest.mark.slow
def test_a_run_has_one_model_that_mlflow_loads(tmp_path, monkeypatch):
    import mlflow

    from apparel.models import detector, inputs

    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    index = tiny_detector.records(tmp_path)
    config = tiny_detector.config(tiny_detector.train_params())
    monkeypatch.chdir(tmp_path)
    chosen = Thresholds({"bright": 1.0, "dark": 0.0}, 0.9, {})
    detector.Detector(config, tiny_detector.CLASSES).save(paths.MODEL, chosen)
    photo = inputs.first_photo(index, "val")
    with runs.open_run(params.load(ROOT / "params.yaml"), "key") as run:
        run.log_model(paths.MODEL, photo)
    outbox = find_outbox(run.id)
    outbox.advance(outbox.sent()[0], 0)  # as after a crash: all is sent once more
    Sender(outbox).send()

    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")
    (stored,) = mlflow.search_logged_models(experiment_ids=["1"], output_format="list")
    assert (stored.source_run_id, str(stored.status)) == (local_runs.mlflow_id(run.id), "READY")
    model = mlflow.pyfunc.load_model(f"models:/{stored.model_id}")
    assert model.metadata.get_input_schema().input_names() == ["image"]
    assert model.metadata.metadata == {
        "classes": list(tiny_detector.CLASSES), "thresholds": chosen.by_class, "min_precision": 0.9,
    }  # fmt: skip
    two = pd.DataFrame({"image": [base64.b64encode(photo).decode()] * 2})
    detections = model.predict(two, params={"lowest_score": 0.0})
    assert list(detections) == COLUMNS and set(detections["photo"]) == {0, 1}
    assert set(detections["class"]) == set(tiny_detector.CLASSES) and detections["score"].between(0, 1).all()
    assert (detections[["xmax", "ymax"]] <= tiny_detector.SIDE + 1e-3).all(axis=None)
    of_dark = detections[detections["class"] == "dark"].reset_index(drop=True)
    pd.testing.assert_frame_equal(model.predict(two), of_dark)  # the threshold of the other class is out of reach
    middle = float(detections["score"].median())
    above = detections[detections["score"] >= middle].reset_index(drop=True)
    pd.testing.assert_frame_equal(model.predict(two, params={"threshold": middle}), above)
    assert len(model.predict(two, params={"threshold": 1.0, "lowest_score": 0.0})) == len(detections)
    assert model.predict(model.input_example, params={"lowest_score": 1.0}).empty
    with pytest.raises(UserError, match=r"threshold should be from 0 to 1, found 1\.5"):
        model.predict(two, params={"threshold": 1.5})
    assert not list(Path("mlartifacts").rglob("*.pkl"))
