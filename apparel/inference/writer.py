"""Interface of what a prediction run writes for each photo, beside its tables: pictures, crops, XML, JSON lines."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from PIL import Image


class WrittenDetection(NamedTuple):
    """A detection that a prediction run writes, in pixels of the photo.

    `threshold` is the lowest score, 0 to 1, of a detection of this class that counts.
    """

    name: str
    score: float
    xmin: float
    ymin: float
    xmax: float
    ymax: float
    threshold: float

    @property
    def corners(self) -> tuple[float, float, float, float]:
        """xmin, ymin, xmax, ymax."""
        return self[2:6]

    @property
    def is_shown(self) -> bool:
        """Whether the score reaches the threshold."""
        return self.score >= self.threshold


class Writer(Protocol):
    """An output of a prediction run.

    A run that was killed repeats its last photos when it goes on: `write` of the same photo and detections leaves the
    same bytes, however often it is called, also by another writer that is opened on the same folder.
    """

    def write(self, name: str, photo: Image.Image, detections: Sequence[WrittenDetection]) -> None:
        """Writes what belongs to one photo.

        Args:
            name: of the photo as in the column `file` of the run's tables, unique within the run; may hold anything.
            photo: upright RGB.
            detections: the highest score first; may be none.

        Raises:
            OSError: the file system refuses.
        """

    def close(self) -> str | None:
        """Ends the output; returns a sentence for the user, such as what was left out, or None."""
