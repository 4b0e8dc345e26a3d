"""Tables of a prediction run, one line a photo or detection, appended so that a run that was killed goes on.

A photo's detections are written before its own line, which says how many they are. So the lines of photos tell how far
the run came; what stands behind that is cut off, half lines too.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from apparel.analysis.predictions.page_data import read_rows
from apparel.boxes import CORNERS
from apparel.errors import UserError, plain
from apparel.inference.writer import WrittenDetection
from apparel.utils.csv_tables import number

PHOTOS, DETECTIONS, PROBLEMS = "photos.csv", "detections.csv", "problems.csv"

COLUMNS = {
    PHOTOS: ["file", "width", "height", "detections"],
    DETECTIONS: ["file", "class", "score", *CORNERS, "threshold"],
    PROBLEMS: ["file", "reason"],
}

CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
"""Characters that end a line, here or in other programs, or that a terminal obeys."""


def table_name(name: str) -> str:
    """A photo's name as the tables have it, on one line: what is no text is written as an escape, such as \\x0a."""
    text = name.encode("utf-8", errors="backslashreplace").decode("utf-8")
    return CONTROL.sub(lambda character: f"\\x{ord(character[0]):02x}", text)


class RunTables:
    """The tables in a run's folder, open at their ends."""

    def __init__(self, folder: Path) -> None:
        """Opens the tables, new or of a run that was killed.

        Raises:
            UserError: a table is damaged.
        """
        self.folder = folder
        for table, columns in COLUMNS.items():
            _cut_half_line(folder / table, columns)
        counts = [int(count) for _, (count,) in _rows(folder / PHOTOS, ["detections"])]
        self.photos, self.detections = len(counts), sum(counts)
        self.problems = sum(1 for _ in _rows(folder / PROBLEMS, ["file"]))
        _cut_after(folder / DETECTIONS, 1 + self.detections)
        self._files = {table: (folder / table).open("a", encoding="utf-8", newline="") for table in COLUMNS}

    def close(self) -> None:
        """Closes the files."""
        for file in self._files.values():
            file.close()

    def names(self) -> "WrittenNames":
        """The photos that are written already."""
        return WrittenNames(self.folder)

    def write_photo(self, name: str, size: tuple[int, int], detections: Sequence[WrittenDetection]) -> None:
        """Appends a photo, width and height in pixels, with its detections."""
        self._append(DETECTIONS, [(name, detection.name, *map(number, detection[1:])) for detection in detections])
        self._append(PHOTOS, [(name, *size, len(detections))])
        self.photos += 1
        self.detections += len(detections)

    def write_problem(self, name: str, reason: str) -> None:
        """Appends a photo that could not be read."""
        self._append(PROBLEMS, [(name, table_name(reason))])
        self.problems += 1

    def _append(self, table: str, rows: Iterable[Sequence]) -> None:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(rows)
        self._files[table].write(text.getvalue())
        self._files[table].flush()


class WrittenNames:
    """Names in the tables of photos and problems, each in order, compared with the photos of the sources."""

    def __init__(self, folder: Path) -> None:
        self._tables = [_rows(folder / table, ["file"]) for table in (PHOTOS, PROBLEMS)]
        self._next = [next(table, None) for table in self._tables]
        self._folder = folder

    def skip(self, name: str) -> bool:
        """Whether the photo of this name is written already.

        Raises:
            UserError: another photo was written in its place, so that the sources are not what they were.
        """
        expected = [row[1][0] if row else None for row in self._next]
        if expected == [None, None]:
            return False
        if name not in expected:
            was = next(filter(None, expected))
            raise UserError(
                f"the photos are not those that {self._folder} was begun with: '{plain(name)}' stands where "
                f"'{plain(was)}' was; name another folder with --out, or delete this one"
            )
        table = expected.index(name)
        self._next[table] = next(self._tables[table], None)
        return True

    def check_all_seen(self) -> None:
        """Raises a `UserError` unless every photo that was written came up again."""
        for row in filter(None, self._next):
            raise UserError(
                f"'{plain(row[1][0])}' in {self._folder} is no longer among the photos; name another folder with "
                "--out, or delete this one"
            )


def _rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    yield from read_rows(path, columns)


def _cut_half_line(path: Path, columns: Sequence[str]) -> None:
    """Removes what stands behind the last line end; writes the header where there is none."""
    header = f"{','.join(columns)}\n".encode()
    with path.open("ab+") as file:
        end = file.seek(0, io.SEEK_END)
        while end > 0:
            start = max(0, end - (1 << 16))
            file.seek(start)
            position = file.read(end - start).rfind(b"\n")
            if position >= 0:
                end = start + position + 1
                break
            end = start
        file.truncate(end)
        if end == 0:
            file.write(header)


def _cut_after(path: Path, lines: int) -> None:
    """Removes all lines but the first ones.

    Raises:
        UserError: the file has fewer.
    """
    with path.open("rb+") as file:
        read = sum(1 for _ in islice(file, lines))
        if read < lines:
            raise UserError(f"{path} lacks detections of photos that are in {PHOTOS}; delete {path.parent}, start anew")
        file.seek(0)
        size = sum(len(line) for line in islice(file, lines))
        file.truncate(size)
