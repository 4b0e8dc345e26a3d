"""Speed against accuracy: the table for the terminal, and the HTML page with its picture."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from apparel.analysis.compare_page import default_path
from apparel.evaluation import drawing, html
from apparel.evaluation.export_page import megabytes
from apparel.utils import files

TEMPLATE = Path(__file__).with_name("speed_page.html")

WIDTH, HEIGHT = 480, 360
"""Size of the picture in units of the SVG: letters of 12 units can be read at 400 pixels and are not huge at 1,400."""

LEFT, RIGHT, TOP, BOTTOM = 52, 14, 12, 46
"""Margins of the picture for its axes, in units of the SVG."""

STEPS = (1, 2, 5)
"""Ticks of the logarithmic axis are these times a power of ten."""

MEANING = (
    "Milliseconds are those of the network on one photo at a time, without decoding, medians of calls in turn. "
    "* is on the Pareto front: nothing here is as fast and more accurate, or as accurate and faster."
)
"""Explanation of the figures, on the page and in the terminal."""


@dataclass(frozen=True)
class Tick:
    """A mark on an axis: its place in units of the SVG, and its text."""

    place: float
    text: str


@dataclass(frozen=True)
class Dot:
    """A choice in the picture: its number in the table, place, colour, and what is shown when it is pointed at."""

    number: int
    x: float
    y: float
    colour: str
    front: bool
    title: str


@dataclass(frozen=True)
class Picture:
    """The picture: dots, ticks of both axes, and the line along the Pareto front as an SVG path."""

    dots: list[Dot]
    ms_ticks: list[Tick]
    map50_ticks: list[Tick]
    front: str


def terminal_text(table: pd.DataFrame, notes: Sequence[str]) -> str:
    """The table for the terminal, a row a choice, the fastest first.

    Args:
        table: what `speed_accuracy.table` returned.
        notes: sentences to add.
    """
    shown = pd.DataFrame(
        {
            " ": table["front"].map({True: "*", False: ""}),
            "result": table["result"],
            "format": table["format"],
            "runtime": table["runtime"],
            "detector": table["detector"],
            "pixels": table["width"].astype(str) + "x" + table["height"].astype(str),
            "mAP50": table["mAP50"].map(html.figure),
            "ms": table["ms"].map(lambda value: html.figure(value, 2)),
            "in batches": table["batch_ms"].map(lambda value: html.figure(value, 2)),
            "MB": table["bytes"].map(megabytes),
            "memory MB": table["memory"].map(megabytes),
        }
    )
    return "\n".join([shown.to_string(index=False), MEANING, f"on {_processors(table)}", *notes])


def _processors(table: pd.DataFrame) -> str:
    return "; ".join(dict.fromkeys(table["processor"]))


def write(table: pd.DataFrame, notes: Sequence[str], page: Path | None, names: Sequence[str]) -> Path:
    """Writes the page, and the table as CSV beside it; returns the page's path.

    Args:
        table: what `speed_accuracy.table` returned.
        notes: sentences to add.
        page: where to; None: to .apparel/compare.
        names: what was compared, as the user named it.
    """
    page = page or default_path(["speed", *names])
    files.write_text(page, render_page(table, notes))
    files.write_text(page.with_suffix(".csv"), table.to_csv(index=False, lineterminator="\n"))
    return page


def render_page(table: pd.DataFrame, notes: Sequence[str]) -> str:
    """The page as HTML; arguments as for `terminal_text`."""
    return html.render(
        TEMPLATE,
        rows=list(table.itertuples()),
        picture=draw(table),
        colours=_colours(table),
        notes=notes,
        meaning=MEANING,
        processors=_processors(table),
        megabytes=megabytes,
        width=WIDTH,
        height=HEIGHT,
        plot={"left": LEFT, "right": WIDTH - RIGHT, "top": TOP, "bottom": HEIGHT - BOTTOM},
    )


def _colours(table: pd.DataFrame) -> dict[str, str]:
    return drawing.class_colours(sorted(table["result"].unique()))


def draw(table: pd.DataFrame) -> Picture:
    """The picture of a table; choices without speed or mAP50 are left out."""
    drawn = table.dropna(subset=["ms", "mAP50"])
    if drawn.empty:
        return Picture([], [], [], "")
    slowest, fastest = drawn["ms"].max() * 1.25, drawn["ms"].min() / 1.25
    lowest, highest = _range(drawn["mAP50"].min(), drawn["mAP50"].max())

    def across(ms: float) -> float:
        share = math.log(ms / fastest) / math.log(slowest / fastest)
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)

    def down(map50: float) -> float:
        share = (map50 - lowest) / (highest - lowest)
        return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 1)

    colours = _colours(table)
    dots = [
        Dot(index + 1, across(row["ms"]), down(row["mAP50"]), colours[row["result"]], bool(row["front"]), _title(row))
        for index, row in drawn.iterrows()
    ]
    ms_ticks = [Tick(across(value), f"{value:g}") for value in _log_ticks(fastest, slowest)]
    map50_ticks = [Tick(down(value), f"{value:.3g}") for value in _ticks(lowest, highest)]
    return Picture(dots, ms_ticks, map50_ticks, _front_path([dot for dot in dots if dot.front]))


def _title(row: pd.Series) -> str:
    return f"{row['result']}, {row['format']} on {row['runtime']}: mAP50 {row['mAP50']:.3f}, {row['ms']:.2f} ms"


def _front_path(front: list[Dot]) -> str:
    """A staircase through the dots, the fastest first: a slower choice pays off only where the next one begins."""
    if not front:
        return ""
    first, *others = front
    return f"M{first.x} {first.y}" + "".join(f"H{dot.x}V{dot.y}" for dot in others) + f"H{WIDTH - RIGHT}"


def _range(lowest: float, highest: float) -> tuple[float, float]:
    """The ends of the axis of mAP50, with a margin; at least 0.02 apart, so that noise does not look large."""
    margin = max(0.01, (highest - lowest) * 0.12)
    return lowest - margin, highest + margin


def _log_ticks(lowest: float, highest: float) -> list[float]:
    """Ticks of a logarithmic axis between two numbers, above 0; both ends where no round one is between them."""
    powers = range(math.floor(math.log10(lowest)), math.ceil(math.log10(highest)) + 1)
    ticks = [step * 10.0**power for power in powers for step in STEPS]
    inside = [tick for tick in ticks if lowest <= tick <= highest]
    return inside if len(inside) > 1 else [float(f"{value:.2g}") for value in (lowest * 1.1, highest / 1.1)]


def _ticks(lowest: float, highest: float) -> list[float]:
    """Four to ten round ticks between two numbers."""
    exact = (highest - lowest) / 5
    power = 10.0 ** math.floor(math.log10(exact))
    step = max(power * factor for factor in STEPS if power * factor <= exact)
    return [number * step for number in range(math.ceil(lowest / step), math.floor(highest / step) + 1)]
