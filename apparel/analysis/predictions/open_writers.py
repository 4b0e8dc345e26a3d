"""Writers of a prediction run for the options that its command was given."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from apparel.analysis.predictions.crops import Crops
from apparel.analysis.predictions.json_lines import JsonLines
from apparel.analysis.predictions.pictures import Pictures
from apparel.analysis.predictions.thumbnails import THUMBNAILS, Thumbnails
from apparel.analysis.predictions.voc_xml import VocXml
from apparel.inference.writer import Writer

JSON_LINES = "detections.jsonl"
"""Name of the file of JSON lines in the output's folder."""


def open_writers(
    folder: Path,
    classes: Sequence[str],
    json: bool = False,
    pictures: bool = False,
    crops: bool = False,
    xml: bool = False,
    maker: Mapping[str, Any] | None = None,
) -> list[Writer]:
    """The writers, thumbnails for the page first.

    Args:
        folder: of the output; it may hold what a run that was killed has written.
        classes: of the model, in order.
        json: write `JSON_LINES`.
        pictures: write `pictures/`, photos with boxes.
        crops: write `crops/`, a file a detection.
        xml: write XML files beside the photos, or below `xml/` for photos that are no files of this machine.
        maker: who made them, see `VocXml`.
    """
    writers: list[Writer] = [Thumbnails(folder / THUMBNAILS)]
    if json:
        writers.append(JsonLines(folder / JSON_LINES))
    if pictures:
        writers.append(Pictures(folder / "pictures", classes))
    if crops:
        writers.append(Crops(folder / "crops"))
    if xml:
        writers.append(VocXml(folder / "xml", maker))
    return writers
