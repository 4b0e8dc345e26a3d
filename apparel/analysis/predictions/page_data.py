"""Data of the page of a prediction run, read from its tables a part at a time: memory stays the same for any number."""

import csv
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from urllib.parse import quote

from apparel.analysis.predictions.output_names import local_file, name_hash
from apparel.boxes import CORNERS
from apparel.errors import UserError, plain

CHUNK = 5000
"""Photos a data file: some 1 MB, which a browser reads in a blink; the first file is shown before the others."""


@dataclass
class Chunk:
    """Data of up to `CHUNK` photos as flat lists, which take a fraction of the room of objects.

    `sizes` has width and height of each photo, `counts` its number of detections; `classes` (indices), `scores` and
    `corners` (four each) are those of all detections in the order of the photos. `hashes` lead to the thumbnails,
    `sources` are addresses of the photos' own files relative to the page, empty where there is none.
    """

    names: list[str] = field(default_factory=list)
    hashes: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    classes: list[int] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    corners: list[float] = field(default_factory=list)


def read_chunks(photos: Path, detections: Path, classes: Sequence[str], links: bool = True) -> Iterator[Chunk]:
    """The data of `CHUNK` photos at a time.

    Args:
        photos: a CSV file with at least the columns file, width and height.
        detections: a CSV file with at least the columns file, class, score and corners; the detections of a photo lie
            together, and the photos in the order of the other file.
        classes: of the model, in order.
        links: whether `sources` are given for photos that are files of this machine.

    Raises:
        UserError: a file is missing or damaged, or the two do not fit; names the file and the line.
    """
    index = {name: number for number, name in enumerate(classes)}
    photo_rows = read_rows(photos, ["file", "width", "height"])
    rows = read_rows(detections, ["file", "class", "score", *CORNERS])
    line, row = next(rows, (0, []))
    while part := list(islice(photo_rows, CHUNK)):
        chunk = Chunk()
        for photo_line, (name, *size) in part:
            _add_photo(chunk, name, size, photos, photo_line)
            chunk.sources.append(_address(name, photos.parent) if links else "")
            before = len(chunk.classes)
            while row and row[0] == name:
                _add_detection(chunk, row, index, detections, line)
                line, row = next(rows, (0, []))
            chunk.counts.append(len(chunk.classes) - before)
        yield chunk
    if row:
        raise UserError(f"{detections}, line {line}: '{plain(row[0])}' is not in {photos.name}, or in another order")


def read_rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """These columns of each row of a CSV file, with the number of the line on which it ends.

    Unlike `csv_tables.read`, which holds the whole file.

    Raises:
        UserError: the file is missing, lacks a column, or is no CSV in UTF-8.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = next(reader, [])
            if missing := [column for column in columns if column not in header]:
                raise UserError(f"{path}: no column '{missing[0]}'")
            places = [header.index(column) for column in columns]
            for row in reader:
                if len(row) != len(header):
                    raise UserError(f"{path}, line {reader.line_num}: {len(row)} fields, the header has {len(header)}")
                yield reader.line_num, [row[place] for place in places]
    except FileNotFoundError:
        raise UserError(f"{path} not found; run the prediction again") from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise UserError(f"{path} is damaged: {error}") from None


def _add_photo(chunk: Chunk, name: str, size: list[str], path: Path, line: int) -> None:
    try:
        width, height = map(int, size)
    except ValueError:
        raise UserError(f"{path}, line {line}: the size of a photo is no whole number of pixels") from None
    chunk.names.append(name)
    chunk.hashes.append(name_hash(name))
    chunk.sizes += width, height


def _add_detection(chunk: Chunk, row: list[str], index: dict[str, int], path: Path, line: int) -> None:
    _, name, *values = row
    try:
        score, *corners = map(float, values)
        chunk.classes.append(index[name])
    except ValueError:
        raise UserError(f"{path}, line {line}: a score or corner is no number") from None
    except KeyError:
        raise UserError(f"{path}, line {line}: class '{plain(name)}' is none of the model") from None
    chunk.scores.append(score)
    chunk.corners += [round(corner, 1) for corner in corners]


def _address(name: str, folder: Path) -> str:
    """The address of a photo's own file relative to the page's folder; empty if it is no file of this machine."""
    path = local_file(name)
    if path is None:
        return ""
    return quote(Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix(), errors="surrogateescape")
