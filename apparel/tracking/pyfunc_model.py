"""The trained detector as an MLflow pyfunc model: photos in, a table of detections out.

    model = mlflow.pyfunc.load_model("models:/garments@champion")
    model.predict(pandas.DataFrame({"image": [base64.b64encode(jpeg).decode()]}))

MLflow stores a copy of this file with the model and runs it when the model is loaded; it needs the package `apparel`.
Nothing is unpickled. What a stored copy imports must stay importable: see `__getattr__` in apparel/__init__.py.
"""

import base64
import binascii
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel, PythonModelContext


class Garments(PythonModel):
    """Finds garments in photos."""

    def load_context(self, context: PythonModelContext) -> None:
        """Builds the detector, and reads its weights and thresholds."""
        from apparel.inference import networks

        self._network = networks.load(Path(context.artifacts["model"]))

    def predict(
        self, context: PythonModelContext, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Detects on photos.

        Args:
            context: MLflow's.
            model_input: `image`: JPEG, PNG or another photo's bytes as base64 text.
            params: what replaces the model's own thresholds: `threshold`, one score for every class; `lowest_score`,
                every detection from this score on, to see more, which wins. Both 0 to 1; -1, the default, is none.

        Returns:
            One row a detection whose score reaches the threshold of its class: `photo` (its row in the input, from 0),
            `class`, `score` (0 to 1), and `xmin`, `ymin`, `xmax`, `ymax` in pixels of the upright photo.

        Raises:
            UserError: an input is no base64 or no photo, or a score is not from 0 to 1; says which.
        """
        from apparel.inference import predictor

        photos = [_decode(text, row) for row, text in enumerate(model_input["image"])]
        detections = predictor.detect(self._network, photos)
        lowest = _score("lowest_score", params)
        if lowest is None:
            lowest = _score("threshold", params)
        if lowest is None:
            lowest = detections["class"].map(self._network.metadata.thresholds.by_class).astype(float)
        return detections[detections["score"] >= lowest].reset_index(drop=True)


def _score(name: str, params: dict[str, Any] | None) -> float | None:
    """A score among the parameters; None where it is -1, since MLflow's parameters have no other way to be left out."""
    from apparel.errors import UserError

    score = float((params or {}).get(name, -1.0))
    if score != -1 and not 0 <= score <= 1:
        raise UserError(f"{name} should be from 0 to 1, found {score}")
    return None if score == -1 else score


def _decode(text: str, row: int):
    from apparel import images
    from apparel.errors import UserError

    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError, TypeError):
        raise UserError(f"image {row} is not base64") from None
    return images.decode(data, Path(f"image {row}"), images.PHONE_FORMATS)


set_model(Garments())
