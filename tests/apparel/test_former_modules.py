"""Models that were stored in MLflow before modules moved: they hold a copy of code that imports the former names."""

import base64
from pathlib import Path

import pandas as pd
import pytest

import apparel
from apparel import paths
from tests.support import tiny_detector
from tests.support.repository import ROOT

STORED_CODE = """
import base64
from pathlib import Path

from mlflow.models import set_model
from mlflow.pyfunc import PythonModel


class Garments(PythonModel):
    def load_context(self, context):
        from apparel import detector

        self._detector = detector.load(Path(context.artifacts["model"]))

    def predict(self, context, model_input, params=None):
        from apparel import detector

        photos = [_decode(text, number) for number, text in enumerate(model_input["image"])]
        found = detector.detect(self._detector, photos)
        return found[found["score"] >= (params or {}).get("lowest_score", 0.0)].reset_index(drop=True)


def _decode(text, number):
    from apparel import photos
    from apparel.errors import UserError

    return photos.decode(base64.b64decode(text, validate=True), Path(f"image {number}"))


set_model(Garments())
"""
"""What `apparel/tracking_detector.py` of version 0.1.0 held."""

CODE_BEFORE_THRESHOLDS = """
import base64
from pathlib import Path

from mlflow.models import set_model
from mlflow.pyfunc import PythonModel


class Garments(PythonModel):
    def load_context(self, context):
        from apparel.models.detector import load_detector

        self._detector = load_detector(Path(context.artifacts["model"]))

    def predict(self, context, model_input, params=None):
        from apparel.inference import predictor

        photos = [_decode(text, row) for row, text in enumerate(model_input["image"])]
        detections = predictor.detect(self._detector, photos)
        return detections[detections["score"] >= (params or {}).get("lowest_score", 0.0)].reset_index(drop=True)


def _decode(text, row):
    from apparel import images

    return images.decode(base64.b64decode(text, validate=True), Path(f"image {row}"))


set_model(Garments())
"""
"""What `apparel/tracking/pyfunc_model.py` held before thresholds came with the model."""


@pytest.mark.slow
@pytest.mark.parametrize("code", [STORED_CODE, CODE_BEFORE_THRESHOLDS], ids=["0.1.0", "before thresholds"])
def test_a_model_with_the_code_of_before_loads_and_detects(tmp_path, monkeypatch, code):
    import mlflow

    from apparel.models import detector

    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    tiny_detector.records(tmp_path)
    config = tiny_detector.config(tiny_detector.train_params())
    monkeypatch.chdir(tmp_path)
    detector.Detector(config, tiny_detector.CLASSES).save(paths.MODEL)
    Path("tracking_detector.py").write_text(code, encoding="utf-8")
    mlflow.pyfunc.save_model("stored", python_model="tracking_detector.py", artifacts={"model": str(paths.MODEL)})

    photo = base64.b64encode(Path("photo-0.png").read_bytes()).decode()
    detections = mlflow.pyfunc.load_model("stored").predict(pd.DataFrame({"image": [photo] * 2}))
    assert list(detections) == ["photo", "class", "score", "xmin", "ymin", "xmax", "ymax"]
    assert set(detections["photo"]) == {0, 1}


def test_former_names_are_the_functions_of_today():
    from apparel import detector, images, photos

    assert photos.decode is images.decode
    assert callable(detector.load) and callable(detector.detect)


def test_other_names_are_no_attributes():
    assert not hasattr(apparel, "no_such_module")
