"""What was found in a data set, as a table for the terminal and as one page that needs no other file."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from apparel import images, paths
from apparel.analysis import inspect_data
from apparel.analysis.inspect_data import Inspection
from apparel.annotations import report
from apparel.errors import UserError
from apparel.evaluation import drawing, html

TEMPLATE = Path(__file__).with_name("inspect_page.html")

EXAMPLES = 5
"""Pictures of each class."""

PICTURES = 10
"""Pictures, at most, of anything else; pairs of duplicates take two."""

POINTS = 2000
"""Boxes, at most, in the plot of shapes."""

HEADINGS = {
    "photos": "photos",
    "boxes": "boxes",
    "width": "width",
    "height": "height",
    "share": "area",
    "aspect": "w/h",
    "best_iou": "best IoU",
}


@dataclass(frozen=True)
class Picture:
    """A picture on the page: its file as a data URI, and what is said below it."""

    source: str
    caption: str


def terminal_text(found: Inspection) -> str:
    """For the terminal: what convert says, a row a class, and what else is odd."""
    table = found.classes.copy()
    for column in ("width", "height", "share", "reached"):
        table[column] = table[column].map(html.percent)
    for column in ("aspect", "best_iou"):
        table[column] = table[column].map(partial(html.figure, decimals=2))
    headings = HEADINGS | {"reached": f"IoU ≥ {html.figure(found.matched_threshold, 2)}"}
    table = table.rename(columns=headings).reset_index().to_string(index=False)
    note = "width, height and area are shares of the photo's; they and w/h are medians, best IoU is a mean"
    return "\n".join([report.summary(found.converted.report), "", table, note, "", *inspect_data.findings(found)])


def render_page(found: Inspection) -> str:
    """The page as HTML; its thumbnails are data URIs."""
    return html.render(
        TEMPLATE,
        found=found,
        report=found.converted.report,
        findings=inspect_data.findings(found),
        colours=drawing.class_colours(list(found.classes.index[:-1])),
        points=_points(found),
        anchors=[] if found.anchors is None else found.anchors.tolist(),
        iou_bars=_bars(found.boxes["best_iou"]),
        galleries=list(_galleries(found)),
        pairs=list(_pairs(found)),
    )


def _points(found: Inspection) -> list[dict]:
    """Boxes to plot, evenly chosen: every class keeps its share."""
    table = found.boxes.sort_values("class", kind="stable")
    return _evenly(table, POINTS)[["relative_width", "relative_height", "class"]].to_dict("records")


def _bars(values: pd.Series) -> list[tuple[float, int, float]]:
    """A histogram in tenths: where each bar begins, its count, its share of the longest."""
    counts, edges = np.histogram(values.dropna(), bins=10, range=(0, 1))
    return list(zip(edges[:-1].tolist(), counts.tolist(), (counts / max(counts.max(), 1)).tolist(), strict=True))


def _galleries(found: Inspection) -> Iterator[tuple[str, str, list[Picture]]]:
    """Title, explanation and pictures of each group of photos."""
    table = found.boxes
    for name in found.classes.index[:-1]:
        having = table.loc[table["class"] == name, "filename"].drop_duplicates()
        yield name, "", _pictures(found, [(photo, photo) for photo in _evenly(having, EXAMPLES)])
    if found.anchors is not None:
        worst = table.sort_values("best_iou", kind="stable").drop_duplicates("filename").head(PICTURES)
        captions = [f"{row['class']}, best IoU {row.best_iou:.2f} · {row.filename}" for _, row in worst.iterrows()]
        explanation = "One box a photo. Those that fit no anchor well are the hardest to learn; other anchors may help."
        chosen = list(zip(worst["filename"], captions, strict=True))
        yield "Boxes that anchors fit worst", explanation, _pictures(found, chosen, worst)
    bare = found.converted.photos.loc[~found.converted.photos["filename"].isin(table["filename"]), "filename"]
    explanation = f"{len(bare)} photos were annotated without a box: is there really no garment on them?"
    yield "Photos without boxes", explanation, _pictures(found, [(photo, photo) for photo in _evenly(bare, PICTURES)])


def _pairs(found: Inspection) -> Iterator[tuple[list[Picture], str]]:
    """Near duplicates, those that straddle train and test first, with what is said of each."""
    apart = {
        index: [each.source for each in found.divisions if index in each.straddling.index]
        for index in found.pairs.index
    }
    for index in sorted(found.pairs.index, key=lambda index: not apart[index])[:PICTURES]:
        pair = found.pairs.loc[index]
        caption = "the same file" if pair["exact"] else f"{pair['bits']} of 256 bits differ"
        if apart[index]:
            caption += f"; straddles train and test in {', '.join(apart[index])}"
        yield _pictures(found, [(name, name) for name in (pair["first"], pair["second"])]), caption


def _pictures(found: Inspection, chosen: Iterable[tuple[str, str]], table: pd.DataFrame | None = None) -> list[Picture]:
    """Photos, given with their captions, with all their boxes, or those in `table`; damaged photos are left out."""
    table = found.boxes if table is None else table
    pictures = []
    for name, caption in tqdm(list(chosen), desc="pictures", unit="", delay=1, leave=False):
        rows = table[table["filename"] == name].assign(matched=True)
        try:
            photo = images.read(paths.photos(found.name) / name)
        except UserError:
            continue
        pictures.append(
            Picture(html.image_data_uri(drawing.draw_boxes(photo, rows, list(found.classes.index[:-1]))), caption)
        )
    return pictures


def _evenly(table: pd.DataFrame | pd.Series, count: int) -> pd.DataFrame | pd.Series:
    """At most so many rows, as far apart as they can be."""
    return table.iloc[np.unique(np.linspace(0, len(table) - 1, min(count, len(table))).round().astype(int))]
