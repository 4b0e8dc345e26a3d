"""Annotations and their boxes, as annotation files have them."""

from dataclasses import dataclass

SHARES = (1, 1)
"""The size of an annotation whose corners are shares of the photo's sides, 0 to 1, not pixels."""


@dataclass(frozen=True, slots=True)
class Box:
    """One labelled box; `corners` are xmin, ymin, xmax, ymax in pixels, zero-based, the high ones exclusive."""

    label: str
    corners: tuple[float, ...]
    difficult: bool = False

    def __str__(self) -> str:
        return f"{self.label} {' '.join(f'{corner:g}' for corner in self.corners)}"


@dataclass(frozen=True, slots=True)
class Annotation:
    """The boxes of one photo in one annotation file.

    `file` is the annotation file, `photo` the photo's file name as written there, or empty. `stem` is a name without
    extension by which to find the photo, too: the annotation file's own, if it annotates one photo only. `size` is the
    photo's width and height in pixels if known, `dropped` the number of boxes there that could not be read.
    """

    file: str
    photo: str
    boxes: tuple[Box, ...]
    size: tuple[int, int] | None = None
    stem: str | None = None
    dropped: int = 0

    @property
    def is_named_by_its_file(self) -> bool:
        """Whether the format names the photo by the annotation file's own name only, as YOLO's does."""
        return self.size == SHARES and self.stem is not None
