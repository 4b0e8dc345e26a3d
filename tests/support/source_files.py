"""Files of a source of an import, given as their content by their name."""

import io
from collections.abc import Mapping
from pathlib import Path

from PIL import Image

from apparel.data.ingest.archives import Entry


def photo(colour: str = "red", kind: str = "JPEG") -> bytes:
    """A photo of 8x6 pixels."""
    data = io.BytesIO()
    Image.new("RGB", (8, 6), colour).save(data, kind)
    return data.getvalue()


def entries(folder: Path, files: Mapping[str, bytes | str]) -> list[Entry]:
    """The entries of these files, which are written to `folder`, numbered."""
    found = []
    for number, (name, data) in enumerate(files.items()):
        path = folder / f"entry {number}"
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        found.append(Entry(name, path))
    return found
