"""Photos that an annotation may belong to, by the annotation file's own name and by the file name written in it."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from apparel.annotations.records import SHARES, Annotation
from apparel.images import Header
from apparel.utils.names import folded, unique

SIMILAR = "a name that differs in case or in how accents are written"
WITHOUT_ENDING = "its name without ending"


@dataclass(frozen=True, slots=True)
class Claim:
    """The photos that an annotation names.

    `by_name` are those called as the annotation file is, several where they differ in their endings, none for a file
    that annotates many photos. `by_filename` is the photo of the file name inside. `name_match` and `filename_match`
    say how they were found; "" stands for an exact name.
    """

    annotation: Annotation
    by_name: tuple[str, ...]
    name_match: str
    by_filename: str | None
    filename_match: str

    @property
    def agrees(self) -> bool:
        """Whether both names lead to one photo."""
        return self.by_filename in self.by_name

    @property
    def conflicts(self) -> bool:
        """Whether the two names lead to different photos."""
        return bool(self.by_name) and self.by_filename is not None and not self.agrees

    def photos(self) -> set[str]:
        """All photos that are named."""
        return {*self.by_name} | ({self.by_filename} if self.by_filename else set())


class PhotoNames:
    """The names of a data set's photos, by which annotations refer to them."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = set(names)
        self._stems = unique(names, _stem)
        self._by_stem = defaultdict(list)
        for name in sorted(names):
            self._by_stem[_stem(name)].append(name)
        self._similar = unique(names, folded)
        self._similar_stems = unique(names, lambda name: folded(_stem(name)))

    def claim(self, annotation: Annotation) -> Claim:
        """The photos that the annotation names; `similar` names are looked up where no name is the same."""
        by_name, name_match = self._of_own_name(annotation.stem or "")
        return Claim(annotation, by_name, name_match, *self._of_file_name(annotation.photo))

    def of_any_extension(self, annotation: Annotation) -> list[str]:
        """Photos that differ only in their extension, any of which the annotation may mean."""
        return self._by_stem.get(annotation.stem or "") or self._by_stem.get(_stem(annotation.photo)) or []

    def _of_own_name(self, own: str) -> tuple[tuple[str, ...], str]:
        if own in self._names:  # `a.jpg.xml`
            return (own,), ""
        if own in self._by_stem:
            return tuple(self._by_stem[own]), ""
        similar = self._similar.get(folded(own)) or self._similar_stems.get(folded(own))
        return ((similar,), SIMILAR) if similar else ((), "")

    def _of_file_name(self, name: str) -> tuple[str | None, str]:
        if name in self._names:
            return name, ""
        if _stem(name) in self._stems:
            return self._stems[_stem(name)], WITHOUT_ENDING
        similar = self._similar.get(folded(name)) or self._similar_stems.get(folded(_stem(name)))
        return (similar, SIMILAR) if similar else (None, "")


class SizeEvidence:
    """What the sizes in annotations say about the photos that they belong to.

    `headers` are the headers of the photos that can be read, by name.
    """

    def __init__(self, headers: Mapping[str, Header]) -> None:
        self._headers = headers
        self._of_any_photo = {size for header in headers.values() for size in photo_sizes(header)}

    def fit(self, annotation: Annotation, photo: str) -> int:
        """1 if the annotation gives the photo's size, -1 if it gives another's or a size of another shape, else 0."""
        header, size = self._headers.get(photo), annotation.size
        if header is None or size in (None, SHARES):
            return 0
        if size in photo_sizes(header):
            return 1
        scaled = any(is_scaled(size, of_photo) for of_photo in photo_sizes(header))
        return 0 if scaled and size not in self._of_any_photo else -1

    def only_fit(self, annotation: Annotation, photos: Sequence[str]) -> str | None:
        """The one of several photos that has the size in the annotation, if the others have not."""
        fitting = [photo for photo in photos if self.fit(annotation, photo) == 1]
        return fitting[0] if len(fitting) == 1 else None

    def size(self, photo: str) -> tuple[int, int] | None:
        """The size of a photo as a viewer shows it."""
        header = self._headers.get(photo)
        return photo_sizes(header)[1] if header else None


def photo_sizes(header: Header) -> tuple[tuple[int, int], tuple[int, int]]:
    """Width and height of a photo as it is stored, and as a viewer shows it."""
    return (header.width, header.height), (header.upright_width, header.upright_height)


def is_scaled(size: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether one size is the other scaled, with both sides rounded to whole pixels."""
    small, large = sorted((size, other))
    return abs(small[1] * large[0] - large[1] * small[0]) <= (large[0] + large[1]) / 2


def _stem(name: str) -> str:
    return Path(name).stem
