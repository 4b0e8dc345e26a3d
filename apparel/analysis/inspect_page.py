"""Inspection of a data set: the table for the terminal and the HTML page with thumbnails."""

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
"""Pictures of each class on the page."""

PICTURES = 10
"""Pictures, at most, of each other group; a pair of duplicates is one."""

POINTS = 2000
"""Boxes, at most, in the plot of widths and heights: more would make the page slow."""

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
    """A picture on the page: its data URI and its caption."""

    source: str
    caption: str


def terminal_text(inspection: Inspection) -> str:
    """The text for the terminal: the summary of convert, a table with a row a class, and other findings."""
    table = inspection.classes.copy()
    for column in ("width", "height", "share", "reached"):
        table[column] = table[column].map(html.percent)
    for column in ("aspect", "best_iou"):
        table[column] = table[column].map(partial(html.figure, decimals=2))
    headings = HEADINGS | {"reached": f"IoU ≥ {html.figure(inspection.matched_threshold, 2)}"}
    table = table.rename(columns=headings).reset_index().to_string(index=False)
    note = "width, height and area are shares of the photo's; they and w/h are medians, best IoU is a mean"
    return "\n".join(
        [report.summary(inspection.converted.report), "", table, note, "", *inspect_data.findings(inspection)]
    )


def render_page(inspection: Inspection) -> str:
    """The page as HTML; its thumbnails are data URIs."""
    return html.render(
        TEMPLATE,
        inspection=inspection,
        report=inspection.converted.report,
        findings=inspect_data.findings(inspection),
        colours=drawing.class_colours(list(inspection.classes.index[:-1])),
        points=_points(inspection),
        anchors=[] if inspection.anchors is None else inspection.anchors.tolist(),
        iou_bars=_bars(inspection.boxes["best_iou"]),
        galleries=list(_galleries(inspection)),
        pairs=list(_pairs(inspection)),
    )


def _points(inspection: Inspection) -> list[dict]:
    """Boxes for the plot, evenly spaced in the table by class, so that each class keeps its share."""
    table = inspection.boxes.sort_values("class", kind="stable")
    return _evenly_spaced(table, POINTS)[["relative_width", "relative_height", "class"]].to_dict("records")


def _bars(values: pd.Series) -> list[tuple[float, int, float]]:
    """Histogram of IoUs in 10 bins: the lower edge of each bin, its count, its share of the highest count."""
    counts, edges = np.histogram(values.dropna(), bins=10, range=(0, 1))
    return list(zip(edges[:-1].tolist(), counts.tolist(), (counts / max(counts.max(), 1)).tolist(), strict=True))


def _galleries(inspection: Inspection) -> Iterator[tuple[str, str, list[Picture]]]:
    """Title, explanation and pictures of each group of photos: classes, boxes far from all anchors, no boxes."""
    table = inspection.boxes
    for name in inspection.classes.index[:-1]:
        photos = table.loc[table["class"] == name, "filename"].drop_duplicates()
        yield name, "", _pictures(inspection, [(photo, photo) for photo in _evenly_spaced(photos, EXAMPLES)])
    if inspection.anchors is not None:
        worst = table.sort_values("best_iou", kind="stable").drop_duplicates("filename").head(PICTURES)
        captions = [f"{row['class']}, best IoU {row.best_iou:.2f} · {row.filename}" for _, row in worst.iterrows()]
        explanation = "One box a photo. Those that fit no anchor well are the hardest to learn; other anchors may help."
        captioned = list(zip(worst["filename"], captions, strict=True))
        yield "Boxes that anchors fit worst", explanation, _pictures(inspection, captioned, worst)
    photos = inspection.converted.photos["filename"]
    bare = photos[~photos.isin(table["filename"])]
    explanation = f"{len(bare)} photos were annotated without a box: is there really no garment on them?"
    examples = [(photo, photo) for photo in _evenly_spaced(bare, PICTURES)]
    yield "Photos without boxes", explanation, _pictures(inspection, examples)


def _pairs(inspection: Inspection) -> Iterator[tuple[list[Picture], str]]:
    """Near duplicates with a caption for each pair; pairs with one photo in train and one in test come first."""
    straddled = {
        index: [division.source for division in inspection.divisions if index in division.straddling.index]
        for index in inspection.pairs.index
    }
    for index in sorted(inspection.pairs.index, key=lambda index: not straddled[index])[:PICTURES]:
        pair = inspection.pairs.loc[index]
        caption = pair["kind"]
        if straddled[index]:
            caption += f"; straddles train and test in {', '.join(straddled[index])}"
        yield _pictures(inspection, [(name, name) for name in (pair["first"], pair["second"])]), caption


def _pictures(
    inspection: Inspection, captioned: Iterable[tuple[str, str]], table: pd.DataFrame | None = None
) -> list[Picture]:
    """Photos with their boxes, all or those in `table`; photos that cannot be decoded are left out.

    Args:
        inspection: the inspection.
        captioned: names of photos with captions.
        table: the boxes to draw; None draws all.
    """
    table = inspection.boxes if table is None else table
    pictures = []
    for name, caption in tqdm(list(captioned), desc="pictures", unit="", delay=1, leave=False):
        rows = table[table["filename"] == name].assign(matched=True)
        try:
            photo = images.read(paths.photos(inspection.name) / name)
        except UserError:
            continue
        pictures.append(
            Picture(html.image_data_uri(drawing.draw_boxes(photo, rows, list(inspection.classes.index[:-1]))), caption)
        )
    return pictures


def _evenly_spaced(table: pd.DataFrame | pd.Series, count: int) -> pd.DataFrame | pd.Series:
    """At most `count` rows, at equal distances."""
    return table.iloc[np.unique(np.linspace(0, len(table) - 1, min(count, len(table))).round().astype(int))]
