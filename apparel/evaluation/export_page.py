"""Report on exported detectors: the HTML page and the table for the terminal."""

import math
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from apparel.classes import ALL
from apparel.evaluation import drawing, html
from apparel.evaluation.export_figures import SPLITS, TRAINED, FormatFigures
from apparel.inference.speed_record import Recorded, SpeedRecord
from apparel.inference.timing import BATCH, DECODE, ONE, WHOLE

TEMPLATE = Path(__file__).with_name("export_page.html")

MEGABYTE = 1_000_000
"""Bytes of the unit that sizes and memory are shown in."""

SPEED_COLUMNS = {ONE: "network, one photo", BATCH: "network, batches", DECODE: "decoding", WHOLE: "file to boxes"}
"""Headings of the kinds of timing."""


def render_page(measured: Sequence[FormatFigures], speeds: SpeedRecord | None = None) -> str:
    """The page as HTML.

    Args:
        measured: what `export_metrics.measure_formats` returned.
        speeds: of the same formats; None leaves them out, as a hashed output has to.
    """
    classes = [name for name in measured[0].splits["test"].table.index if name != ALL]
    timed = [("all cores", speeds.all_cores), ("one core", speeds.one_core)] if speeds else []
    return html.render(
        TEMPLATE,
        measured=measured,
        exported=[figures for figures in measured if figures.format != TRAINED],
        trained=measured[0],
        splits=SPLITS,
        classes=classes,
        all_classes=ALL,
        colours=drawing.class_colours(classes),
        processor=speeds and speeds.processor,
        timed=timed,
        kinds=SPEED_COLUMNS,
        megabytes=megabytes,
    )


def megabytes(size: int) -> str:
    """Bytes in megabytes, such as `4.7`."""
    return f"{size / MEGABYTE:,.1f}"


def terminal_text(measured: Sequence[FormatFigures], speeds: SpeedRecord | None = None) -> str:
    """A table with a row a format: mAP50 on test, the difference to the trained model, size, speed and memory."""
    rows = {}
    for figures in measured:
        test = figures.splits["test"]
        total = test.table.loc[ALL]
        row = {"mAP50": html.figure(test.map50)}
        row["difference"] = "" if figures.format == TRAINED else html.signed(test.difference)
        row["95% interval"] = (
            "" if figures.format == TRAINED else f"{html.signed(total['low'])} to {html.signed(total['high'])}"
        )
        row["MB"] = megabytes(figures.size)
        if speeds:
            row |= _speed_columns(speeds.all_cores.get(figures.name), speeds.one_core.get(figures.name))
        rows[figures.name] = row
    lines = [pd.DataFrame.from_dict(rows, orient="index").to_string()]
    if speeds:
        lines.append(f"milliseconds a photo, one at a time, on {speeds.processor}; memory: peak of the process")
    return "\n".join(lines)


def _speed_columns(all_cores: Recorded | None, one_core: Recorded | None) -> dict[str, str]:
    return {
        "ms": _ms(all_cores),
        "ms on one core": _ms(one_core),
        "memory MB": megabytes(all_cores.memory) if all_cores else html.UNDEFINED,
    }


def _ms(recorded: Recorded | None) -> str:
    return html.figure(recorded.ms[ONE] if recorded else math.nan, 1)
