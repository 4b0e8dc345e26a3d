"""CSV files: read without trust, written byte-identical for equal tables."""

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from apparel.errors import UserError, nearest
from apparel.utils import files, limits


def read(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Reads a CSV file that has at least these columns, as text.

    Returns:
        The columns asked for, in that order, all of type `str`; the index holds the line on which each row ends.

    Raises:
        UserError: the file is missing, too large, not UTF-8, or not CSV; a column is missing or named twice; a row has
            too many or too few fields. Names the file, and the line where there is one.
    """
    rows = _rows(path)
    _, header = next(rows, (0, []))
    if not header:
        raise UserError(f"{path} is empty")
    for column in columns:
        if header.count(column) != 1:
            problem = f"column '{column}' is named twice" if column in header else f"no column '{column}'"
            raise UserError(f"{path}: {problem}{'' if column in header else nearest(column, header)}")
    body = {}
    for line, row in rows:
        if len(row) != len(header):
            raise UserError(f"{path}, line {line}: {len(row)} fields where the header has {len(header)}")
        body[line] = row
    table = pd.DataFrame(list(body.values()), index=list(body), columns=header, dtype="str")
    return table[list(columns)]


def write(table: pd.DataFrame, path: Path) -> None:
    """Writes a table without its index: UTF-8, Unix line ends, numbers as short as they can be read back.

    Text may hold anything but carriage returns, which Python's writer leaves unquoted.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.columns)
    writer.writerows(zip(*(_texts(table[column]) for column in table.columns), strict=True))
    files.write_text(path, text.getvalue())


def write_figures(table: pd.DataFrame, path: Path) -> None:
    """Writes a table as `write` does, but numbers as Python does (`1.0`), and nothing where one is missing."""
    write(table.astype(object).where(table.notna(), ""), path)


def number(value: float) -> str:
    """The shortest decimal form that reads back as `value`: no exponent, no `.0` on whole numbers, no `-0`."""
    return np.format_float_positional(value + 0.0, trim="-")


def _texts(column: pd.Series) -> list:
    return [number(value) for value in column] if pd.api.types.is_float_dtype(column) else column.tolist()


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Each row that is not blank, with the number of the line on which it ends."""
    try:
        text = limits.read_bytes(path, limits.MAX_TABLE_BYTES).decode("utf-8-sig")
    except FileNotFoundError:
        raise UserError(f"{path} not found") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 (byte {error.start}); save it as UTF-8") from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    fields = 0
    try:
        for row in reader:
            fields += len(row)
            if fields > limits.MAX_TABLE_FIELDS:
                raise UserError(
                    f"{path}, line {reader.line_num}: more than {limits.MAX_TABLE_FIELDS:,} fields; split it up"
                )
            if row:
                yield reader.line_num, row
    except csv.Error as error:
        raise UserError(f"{path}, line {reader.line_num}: not CSV: {error}") from None
