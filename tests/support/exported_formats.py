"""Figures of exported formats that were made up here."""

import pandas as pd

from apparel.classes import ALL
from apparel.evaluation.export_figures import TRAINED, FormatFigures, SplitFigures
from apparel.inference.speed_record import KINDS, Recorded, SpeedRecord

MODEL = "0123456789abcdef0123456789abcdef.dir"
CLASSES = ("Dresses", "Tops <b>")
RUNTIMES = {"tflite": "TensorFlow Lite", "tflite_int8": "TensorFlow Lite", "saved_model": "SavedModel"}
FILES = {"saved_model": "saved_model", "onnx": "detector.onnx", TRAINED: "model"}


def split_figures(map50: float = 0.5) -> SplitFigures:
    """A split on which both classes have the same AP50, 0.5 by the trained model."""
    difference = map50 - 0.5
    row = {
        "trained": 0.5,
        "AP50": map50,
        "difference": difference,
        "low": difference - 0.1,
        "high": difference + 0.1,
    }
    table = pd.DataFrame([row] * 3, index=pd.Index([*CLASSES, ALL], name="class"))
    return SplitFigures(table, photos=40, compared=50, lost=1, largest_score=0.00012, largest_corner=0.5)


def format_figures(name: str, val: float = 0.5, test: float = 0.5, runtime: str | None = None) -> FormatFigures:
    """A format with these mAP50; the trained model has 0.5 on both splits."""
    splits = {"val": split_figures(val), "test": split_figures(test)}
    file = FILES.get(name, f"{name}.tflite")
    return FormatFigures(name, runtime or RUNTIMES.get(name, "TensorFlow"), file, 4_700_000, splits)


def formats() -> list[FormatFigures]:
    """The trained model and four exports, two of them of the format ONNX."""
    return [
        format_figures(TRAINED),
        format_figures("tflite", test=0.501),
        format_figures("tflite_int8", test=0.485),
        format_figures("onnx", runtime="ONNX Runtime"),
        format_figures("onnx", runtime="OpenVINO"),
    ]


def speed_record() -> SpeedRecord:
    """A record of `formats`: the trained model takes 13 ms, the exports 4, 2, 5 and 3; one core takes twice as long."""
    ms = dict(zip([figures.name for figures in formats()], (13.0, 4.0, 2.0, 5.0, 3.0), strict=True))

    def recorded(threads: int, factor: float) -> dict[str, Recorded]:
        values = {name: dict.fromkeys(KINDS, factor * value) for name, value in ms.items()}
        return {name: Recorded("ssd", 300, 300, threads, 90_000_000, values[name]) for name in ms}

    return SpeedRecord(MODEL, "A processor, 2 cores", recorded(2, 1), recorded(1, 2))
