"""Lines and fields of CSV files of annotations, as programs and spreadsheets write them; files are not trusted."""

import codecs
import csv
import re
from pathlib import Path

from apparel.annotations.fields import read_file
from apparel.errors import UserError

SEPARATORS = ",;\t"
"""Characters that may separate the fields of a row."""

MAX_BYTES = 100_000_000
"""Bytes; a larger file is refused unread: a million boxes take less."""


MAX_ROWS = 1_000_000
"""Rows of a file; each takes up to a kilobyte of memory."""


def read_lines(path: Path) -> list[str]:
    """Reads the lines of a text file in UTF-8 or UTF-16.

    Raises:
        UserError: the file is too large or has too many rows, cannot be read, or is neither UTF-8 nor UTF-16.
    """
    try:
        text = decode(read_file(path, MAX_BYTES))
        if max(text.count("\n"), text.count("\r")) > MAX_ROWS:
            raise UserError(f"{path} has more than {MAX_ROWS:,} rows, too many for an annotation; split it up")
        return re.split(r"\r\n|\n|\r", text)
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is neither UTF-8 nor UTF-16 (byte {error.start}); save it as UTF-8") from None


def decode(data: bytes, errors: str = "strict") -> str:
    """Decodes UTF-16 if there is its byte order mark or a zero byte beside an ASCII letter, else UTF-8."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", errors)
    encoding = {0: "utf-16-be", 1: "utf-16-le"}.get(data[:2].find(b"\0"), "utf-8-sig")
    return data.decode(encoding, errors)


def fields(line: str, separator: str) -> list[str]:
    """The fields of one line; empty if it is not CSV. A row is a line, so a stray quote costs one row only."""
    try:
        return [field.strip() for field in next(csv.reader([line], delimiter=separator, strict=True))]
    except csv.Error:
        return []
