"""Choice of annotation files among those of a source: where several formats annotate the same photos, one is taken."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from apparel.annotations import coco_json, fiat, label_table, pascal_voc, yolo
from apparel.annotations.records import Annotation
from apparel.annotations.renamed import RenamedFiles
from apparel.data.ingest.archives import Entry
from apparel.errors import UserError

FORMATS = ("xml", "coco", "yolo", "label table")
"""Formats in the order in which they are taken where they annotate as many photos."""

FEW = 0.5
"""A format that annotates less than this share of the photos that another does comes after it."""


@dataclass(frozen=True)
class LabelFiles:
    """Annotation files to import: `single` annotate one photo each, `tables` many.

    `lists` are label tables, and `repeated` other files, of photos that the others annotate already. `photos` are those
    written in each table.
    """

    single: list[Entry]
    tables: list[Entry]
    lists: list[Entry]
    repeated: list[Entry]
    photos: dict[Entry, list[str]]


def choose_label_files(
    kinds: Mapping[str, Sequence[Entry]], photos: Sequence[Entry], earlier: RenamedFiles
) -> LabelFiles:
    """Chooses the annotation files to import.

    Args:
        kinds: the files of each of `FORMATS`, and of FIAT's, which are all taken.
        photos: the photos of the source.
        earlier: photos that an earlier import renamed, if the source is what it made.
    """
    paths = RenamedFiles(("photos", entry.name, entry.name) for entry in photos)
    written = {entry: _photos_in(kind, entry) for kind in ("coco", "label table", "fiat") for entry in kinds[kind]}
    members = {
        entry: {paths.photo(entry.name, earlier.photo(entry.base, name) if earlier else name) for name in names}
        for entry, names in written.items()
    }
    existing = {entry.name for entry in photos}
    for kind in ("xml", "yolo"):
        members |= {entry: _photos_of(kind, entry, paths, existing) for entry in kinds[kind]}
    members = {entry: names & existing for entry, names in members.items()}
    counts = {kind: len(set().union(*(members[entry] for entry in kinds[kind]))) for kind in FORMATS}
    most = max(counts.values())
    chosen = LabelFiles([], list(kinds["fiat"]), [], [], written)
    covered: set[str] = set()
    for kind in sorted(FORMATS, key=lambda kind: (counts[kind] < FEW * most, FORMATS.index(kind))):
        of_other_formats = frozenset(covered)
        for entry in sorted(kinds[kind], key=lambda entry: (-len(members[entry]), entry.name)):
            others = members[entry] & of_other_formats
            if kind in ("xml", "yolo"):
                (chosen.repeated if others else chosen.single).append(entry)
            elif members[entry] <= covered or len(others) * 2 > len(members[entry]):
                (chosen.lists if kind == "label table" else chosen.repeated).append(entry)
            else:
                chosen.tables.append(entry)
            covered |= members[entry]
    return chosen


def read_labels(kind: str, entry: Entry, classes: Sequence[str]) -> list[Annotation]:
    """The annotations in a file; none if it cannot be read, which convert reports.

    Args:
        kind: its format.
        entry: the file.
        classes: names of YOLO's classes by number.
    """
    try:
        if kind == "xml":
            return [pascal_voc.read(entry.path, entry.name)[0]]
        if kind == "yolo":
            return [yolo.read(entry.path, entry.name, classes)[0]]
        readers = {"coco": coco_json.read, "label table": label_table.read, "fiat": fiat.read}
        return readers[kind](entry.path, entry.name)[0]
    except UserError:
        return []


def _photos_in(kind: str, entry: Entry) -> list[str]:
    return [annotation.photo for annotation in read_labels(kind, entry, ())]


def _photos_of(kind: str, entry: Entry, paths: RenamedFiles, existing: Collection[str]) -> set[str]:
    """The photo that is called as an annotation file is, else the one that XML names."""
    own = paths.photo(entry.name, PurePosixPath(entry.base).stem, stem="")
    if own in existing or kind != "xml":
        return {own}
    return {paths.photo(entry.name, found.photo, stem="") for found in read_labels("xml", entry, ())}
