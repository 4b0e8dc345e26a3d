"""Precision-recall curves, learning curves and the confusion matrix as SVG: the same input gives the same bytes."""

import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib import style
from matplotlib.figure import Figure

from apparel.evaluation.drawing import class_colours, font_has
from apparel.evaluation.metrics import PrecisionRecallCurve

STYLE = {
    "svg.hashsalt": "apparel",  # without it the ids in the file are random
    "font.family": "DejaVu Sans",  # part of Matplotlib, so the same on every machine
    "font.size": 10,
    "text.parse_math": False,  # class names may hold dollar signs
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def plot_precision_recall(
    curves: Mapping[str, PrecisionRecallCurve], operating_points: pd.DataFrame, path: Path
) -> None:
    """Plots interpolated precision over recall of each class, with its AP and a dot at its score threshold.

    Args:
        curves: by class; one without ground truth is left out.
        operating_points: `precision` and `recall` at the score threshold, by class; nan where undefined.
        path: the SVG file.
    """
    recall = np.linspace(0, 1, 501)
    with _figure(path, (7.6, 4.8), curves) as figure:
        axes = figure.add_subplot()
        for (name, curve), colour in zip(curves.items(), class_colours(list(curves)).values(), strict=True):
            if not curve.boxes:
                continue
            precision = curve.precision_at(recall)
            reached = precision > 0
            axes.plot(recall[reached], precision[reached], color=colour, label=f"{curve.average_precision:.3f}  {name}")
            point = operating_points.loc[name]
            axes.plot(point["recall"], point["precision"], "o", color=colour, markeredgecolor="black", zorder=3)
        axes.set(xlabel="Recall", ylabel="Precision", xlim=(0, 1.01), ylim=(0, 1.02))
        axes.grid(alpha=0.3)
        if axes.lines:
            figure.legend(title="AP50", loc="outside right upper", frameon=False)


def plot_learning_curves(history: pd.DataFrame, path: Path) -> None:
    """Plots the losses on train and val, and mAP50 on val, over epochs; the epoch of the kept weights is marked.

    Args:
        history: one row a validation, as train writes it: `epoch`, `train/loss`, `val/loss`, and `val/mAP50`, which is
            nan without boxes on val.
        path: the SVG file.
    """
    # As train keeps weights: those with the highest mAP50; of equal ones, those with the lowest loss, then the first.
    ranks = history.assign(**{"val/mAP50": history["val/mAP50"].fillna(-1), "val/loss": -history["val/loss"]})
    kept = ranks.sort_values(["val/mAP50", "val/loss"], kind="stable", ascending=False)["epoch"].iloc[0]
    panels = (
        ("Loss", {"train": ("train/loss", "#0072B2"), "val": ("val/loss", "#D55E00")}),
        ("mAP50", {"val": ("val/mAP50", "#D55E00")}),
    )
    with _figure(path, (7.6, 4.8), ()) as figure:
        for axes, (title, curves) in zip(figure.subplots(2, 1, sharex=True), panels, strict=True):
            for label, (column, colour) in curves.items():
                # With its points: a curve of one validation is a point.
                axes.plot(history["epoch"], history[column], "o-", markersize=4, color=colour, label=label)
            axes.axvline(kept, color="#555555", linestyle=":", label="kept")
            axes.set_ylabel(title)
            axes.set_ylim(bottom=0)
            axes.grid(alpha=0.3)
        axes.set(xlabel="Epoch", xlim=(0, None))
        figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside right upper", frameon=False)


def plot_confusion_matrix(matrix: pd.DataFrame, path: Path) -> None:
    """Plots what `confusion.confusion_matrix` returned: counts as text, shares of the row as shades of blue.

    Args:
        matrix: counts, actual classes by predicted classes.
        path: the SVG file.
    """
    counts = matrix.to_numpy()
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    centres = np.arange(len(matrix)) + 0.5
    side = max(4.8, 1.6 + 0.55 * len(matrix))
    with _figure(path, (side, side), matrix.index) as figure:
        axes = figure.add_subplot()
        axes.pcolormesh(shares, cmap="Blues", vmin=0, vmax=1, edgecolors="white", linewidth=1)
        for row, column in np.ndindex(*counts.shape):
            if counts[row, column]:
                text_colour = "white" if shares[row, column] > 0.5 else "black"
                axes.text(column + 0.5, row + 0.5, counts[row, column], ha="center", va="center", color=text_colour)
        axes.set_xticks(centres, matrix.columns, rotation=45, ha="right")
        axes.set_yticks(centres, matrix.index)
        axes.set(xlabel="Predicted", ylabel="Actual", aspect="equal")
        axes.tick_params(length=0)
        axes.invert_yaxis()


@contextmanager
def _figure(path: Path, size: tuple[float, float], names: Iterable[str]) -> Iterator[Figure]:
    """Yields a figure, `size` in inches, that becomes the file `path`; `names` are written on it."""
    # The user's matplotlibrc must not change an output of the stage.
    with style.context(["default", STYLE]), warnings.catch_warnings():
        if not all(map(font_has, names)):
            # As text instead of outlines, for the viewer's fonts; those of this machine must not change an output.
            style.use({"svg.fonttype": "none"})
            warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure = Figure(size, layout="constrained")
        yield figure
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})
