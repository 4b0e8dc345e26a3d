"""Plots of results as SVG: the same bytes for the same input, on any screen."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from apparel.evaluation.drawing import colours
from apparel.evaluation.metrics import Curve

LOOK = {
    "svg.hashsalt": "apparel",  # ids inside the file that are the same each time
    "font.family": "DejaVu Sans",  # comes with Matplotlib
    "font.size": 10,
    "text.parse_math": False,  # a dollar sign in a class name is one
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def precision_recall(curves: Mapping[str, Curve], operating_points: pd.DataFrame, path: Path) -> None:
    """The interpolated precision over recall of each class, its AP, and a dot where its score threshold lies.

    Args:
        curves: by class.
        operating_points: `precision` and `recall` by class; nan where there is none.
        path: the SVG file.
    """
    recall = np.linspace(0, 1, 501)
    with _axes(path, (6.4, 4.8)) as axes:
        for (name, curve), colour in zip(curves.items(), colours(list(curves)).values(), strict=True):
            if not curve.boxes:
                continue
            precision = curve.on_grid(recall)
            reached = precision > 0
            axes.plot(recall[reached], precision[reached], color=colour, label=f"{curve.average_precision:.3f}  {name}")
            point = operating_points.loc[name]
            axes.plot(point["recall"], point["precision"], "o", color=colour, markeredgecolor="black", zorder=3)
        axes.set(xlabel="Recall", ylabel="Precision", xlim=(0, 1.01), ylim=(0, 1.02))
        axes.grid(alpha=0.3)
        if axes.lines:
            axes.legend(title="AP50", loc="lower left")


def confusion(matrix: pd.DataFrame, path: Path) -> None:
    """The matrix of `confusion.matrix`: counts as text, the share of the row as shade."""
    counts = matrix.to_numpy()
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    places = np.arange(len(matrix))
    side = max(4.8, 1.6 + 0.55 * len(matrix))
    with _axes(path, (side, side)) as axes:
        axes.pcolormesh(shares, cmap="Blues", vmin=0, vmax=1, edgecolors="white", linewidth=1)
        for row, column in np.ndindex(*counts.shape):
            if counts[row, column]:
                ink = "white" if shares[row, column] > 0.5 else "black"
                axes.text(column + 0.5, row + 0.5, counts[row, column], ha="center", va="center", color=ink)
        axes.set_xticks(places + 0.5, matrix.columns, rotation=45, ha="right")
        axes.set_yticks(places + 0.5, matrix.index)
        axes.set(xlabel="Predicted", ylabel="Actual", aspect="equal")
        axes.tick_params(length=0)
        axes.invert_yaxis()


@contextmanager
def _axes(path: Path, size: tuple[float, float]) -> Iterator[Axes]:
    # A person's own matplotlibrc must not change what the pipeline makes.
    with style.context(["default", LOOK]):
        figure = Figure(size, layout="constrained")
        yield figure.add_subplot()
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})
