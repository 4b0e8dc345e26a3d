"""The trained detector as an MLflow pyfunc model: photos in, a table of detections out.

    model = mlflow.pyfunc.load_model("models:/m-...")
    model.predict(pandas.DataFrame({"image": [base64.b64encode(jpeg).decode()]}), params={"lowest_score": 0.5})

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
        """Builds the detector and reads its weights."""
        from apparel.models.detector import load_detector

        self._detector = load_detector(Path(context.artifacts["model"]))

    def predict(
        self, context: PythonModelContext, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Detects on photos.

        Args:
            context: MLflow's.
            model_input: `image`: JPEG, PNG or another photo's bytes as base64 text.
            params: `lowest_score`, 0 to 1.

        Returns:
            One row a detection: `photo` (its row in the input, from 0), `class`, `score` (0 to 1), and `xmin`, `ymin`,
            `xmax`, `ymax` in pixels of the upright photo.

        Raises:
            UserError: an input is no base64 or no photo; says which.
        """
        from apparel.inference import predictor

        photos = [_decode(text, row) for row, text in enumerate(model_input["image"])]
        detections = predictor.detect(self._detector, photos)
        lowest_score = (params or {}).get("lowest_score", 0.0)
        return detections[detections["score"] >= lowest_score].reset_index(drop=True)


def _decode(text: str, row: int):
    from apparel import images
    from apparel.errors import UserError

    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError, TypeError):
        raise UserError(f"image {row} is not base64") from None
    return images.decode(data, Path(f"image {row}"))


set_model(Garments())
