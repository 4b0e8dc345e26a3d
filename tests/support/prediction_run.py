"""The tables and thumbnails of a prediction run, as its page reads them."""

import csv
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from apparel.analysis.predictions.thumbnails import THUMBNAILS, Thumbnails
from apparel.boxes import CORNERS
from tests.support.detection_tables import photo

COLUMNS = ["file", "class", "score", *CORNERS, "threshold"]


def write_run(folder: Path, photos: Mapping[str, pd.DataFrame], size: tuple[int, int] = (60, 40)) -> None:
    """Writes the run of photos with these detections, all white and of one size."""
    folder.mkdir(parents=True, exist_ok=True)
    thumbnails = Thumbnails(folder / THUMBNAILS)
    photo_rows, detection_rows = [["file", "width", "height"]], [COLUMNS]
    for name, table in photos.items():
        thumbnails.write(name, photo(*size), table)
        photo_rows.append([name, *size])
        detection_rows += [[name, *row] for row in table[COLUMNS[1:]].itertuples(index=False)]
    for file, rows in (("photos.csv", photo_rows), ("detections.csv", detection_rows)):
        with (folder / file).open("w", encoding="utf-8", errors="backslashreplace", newline="") as table_file:
            csv.writer(table_file, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(rows)
