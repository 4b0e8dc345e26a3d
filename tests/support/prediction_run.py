"""The tables and thumbnails of a prediction run, as its page reads them."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from apparel.analysis.predictions.thumbnails import THUMBNAILS, Thumbnails
from apparel.boxes import CORNERS
from apparel.inference.writer import WrittenDetection
from tests.support.detection_tables import photo

COLUMNS = ["file", "class", "score", *CORNERS, "threshold"]
SIZE = (60, 40)


def write_run(folder: Path, photos: Mapping[str, Sequence[WrittenDetection]]) -> None:
    """Writes the run of photos with these detections, all white and of one size."""
    folder.mkdir(parents=True, exist_ok=True)
    thumbnails = Thumbnails(folder / THUMBNAILS)
    photo_rows, detection_rows = [["file", "width", "height"]], [COLUMNS]
    for name, detections in photos.items():
        thumbnails.write(name, photo(*SIZE), detections)
        photo_rows.append([name, *SIZE])
        detection_rows += [[name, *detection] for detection in detections]
    for file, rows in (("photos.csv", photo_rows), ("detections.csv", detection_rows)):
        with (folder / file).open("w", encoding="utf-8", errors="backslashreplace", newline="") as table_file:
            csv.writer(table_file, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(rows)
