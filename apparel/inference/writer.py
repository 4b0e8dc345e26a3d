"""Interface of what a prediction run writes for each photo, beside its tables: pictures, crops, XML, JSON lines."""

from typing import Protocol

import pandas as pd
from PIL import Image


class Writer(Protocol):
    """An output of a prediction run.

    A run that was killed repeats its last photos when it goes on: `write` of the same photo and detections leaves the
    same bytes, however often it is called, also by another writer that is opened on the same folder.
    """

    def write(self, name: str, photo: Image.Image, detections: pd.DataFrame) -> None:
        """Writes what belongs to one photo.

        Args:
            name: of the photo as in the column `file` of the run's tables, unique within the run; may hold anything.
            photo: upright RGB.
            detections: `class`, `score` (0 to 1), corners in pixels of the photo, `threshold` (the lowest score of a
                detection of that class that counts); the highest score first. May be empty.

        Raises:
            OSError: the file system refuses.
        """

    def close(self) -> str | None:
        """Ends the output; returns a sentence for the user, such as what was left out, or None."""
