"""Matching of annotations to photos by file name, by the annotation's own name, or by a similar name."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from apparel.annotations.problems import Problem, Problems
from apparel.annotations.records import Annotation
from apparel.utils.names import folded, unique

SIMILAR = "a name that differs in case or in how accents are written"


def match_photos(
    annotations: Iterator[Annotation], photo_names: Sequence[str]
) -> tuple[dict[str, Annotation], list[Problem]]:
    """The annotation of each photo by its name, and the problems of annotations that belong to none.

    Of several for one photo, the first that is called as the photo is, else the first: copies of annotation files keep
    the name of the original's photo. Those whose photo was only found by a similar name come last.
    """
    photos = PhotoNames(photo_names)
    matched: dict[str, Annotation] = {}
    problems = []
    candidates = [(annotation, *photos.find(annotation)) for annotation in annotations]
    for annotation, photo, match in sorted(candidates, key=_precedence):
        log = Problems(annotation.file)
        if not photo:
            several = f"; it may be any of {', '.join(fit)}" if (fit := photos.of_any_extension(annotation)) else ""
            detail = f"'{annotation.photo}', {len(annotation.boxes)} boxes{several}"
            log.add("dropped", "photo is missing", detail, len(annotation.boxes))
        elif photo in matched:
            detail = f"{photo} in {matched[photo].file}"
            log.add("dropped", "photo has an earlier annotation", detail, len(annotation.boxes))
        else:
            matched[photo] = annotation
            if match:
                log.add("repaired", f"photo found by {match}", f"{photo} for '{annotation.photo}'")
            elif other := photos.of_same_stem(annotation, photo):
                log.add("noted", "annotates another photo than the one it is called as", f"{photo}, not {other}")
        problems += log.entries
    return matched, problems


def _precedence(candidate: tuple[Annotation, str | None, str]) -> tuple[bool, bool]:
    annotation, _, match = candidate
    return match == SIMILAR, annotation.stem != Path(annotation.photo).stem


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

    def find(self, annotation: Annotation) -> tuple[str | None, str]:
        """Returns the matching photo (or None), and how it was matched ("" for an exact name)."""
        name, stem, own = annotation.photo, _stem(annotation.photo), annotation.stem or ""
        if name in self._names:
            return name, ""
        for names, key, match in (
            (self._stems, own, "the annotation's own name"),
            (self._stems, stem, "its name without ending"),
            (self._similar, folded(name), SIMILAR),
            (self._similar_stems, folded(own), SIMILAR),
            (self._similar_stems, folded(stem), SIMILAR),
        ):
            if key in names:
                return names[key], match
        return None, ""

    def of_same_stem(self, annotation: Annotation, photo: str) -> str | None:
        """The photo that has the name of the annotation file itself, if that is another than `photo`."""
        other = self._stems.get(annotation.stem or "")
        return None if other == photo else other

    def of_any_extension(self, annotation: Annotation) -> list[str]:
        """Photos that differ only in their extension, any of which the annotation may mean."""
        own, written = annotation.stem or "", _stem(annotation.photo)
        return self._by_stem.get(own) or self._by_stem.get(written) or []


def _stem(name: str) -> str:
    return Path(name).stem
