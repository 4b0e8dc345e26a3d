"""Names of photos and annotation files in the data set: files of one name in several folders get their folder's name.

Only names that clash change: `train/1.jpg` and `test/1.jpg` become `train_1.jpg` and `test_1.jpg`, each with the
annotation file that belongs to its folder.
"""

import filecmp
import hashlib
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from apparel import boxes, images
from apparel.annotations.renamed import nearest_folder
from apparel.data.ingest.archives import ARCHIVE_SUFFIXES, Entry
from apparel.data.ingest.sources import file_sha256
from apparel.errors import UserError, plain, some_of
from apparel.utils.names import file_name, folded

START_BYTES = 100_000
"""Bytes of an XML file in which its photo's name, folder and size stand."""


@dataclass(frozen=True)
class NamedFiles:
    """Photos and annotation files by the names that they get.

    `renamed` has part, name and source of each file whose name changed, and then of each table of annotations: the rows
    of `annotations.renamed.RenamedFiles`.
    """

    photos: dict[str, Entry]
    annotations: dict[str, Entry]
    renamed: list[tuple[str, str, str]]


@dataclass
class Unit:
    """Photos of one name in one folder, and the annotation files that belong to them."""

    photos: list[Entry]
    annotations: list[Entry]

    def content(self) -> tuple[tuple, tuple]:
        """Names and check sums of the photos, and of the annotation files."""
        photos, annotations = (
            tuple(sorted((entry.base, file_sha256(entry.path)) for entry in entries))
            for entries in (self.photos, self.annotations)
        )
        return photos, annotations


def name_files(photos: Sequence[Entry], annotations: Sequence[Entry], tables: Sequence[Entry]) -> NamedFiles:
    """Gives each file a name of its own; files that are the same in name and content are taken once.

    Args:
        photos: at least one.
        annotations: files that annotate one photo each.
        tables: files that annotate many.

    Raises:
        UserError: a name cannot be used, two files of one folder have the same name, or it cannot be told to which of
            several photos of one name an annotation file belongs. Names that differ only in case, or in the encoding of
            accents, are the same on some systems.
    """
    groups: dict[str, Unit] = defaultdict(lambda: Unit([], []))
    for entry in photos:
        groups[_stem(entry)].photos.append(entry)
    for entry in annotations:
        groups[_stem(entry)].annotations.append(entry)
    clashing = {stem: units for stem, unit in groups.items() if len(units := _units(unit)) > 1}
    prefixes = _prefixes(clashing, groups.keys() - clashing.keys())
    names: dict[str, list[tuple[str, Entry]]] = {"photos": [], "annotations": []}
    renamed = []
    for stem, whole in groups.items():
        for folder, unit in clashing.get(stem, {"": whole}).items():
            prefix = f"{prefixes[folder]}_" if stem in clashing else ""
            for part, entries in (("photos", unit.photos), ("annotations", unit.annotations)):
                names[part] += [(prefix + entry.base, entry) for entry in entries]
                renamed += [(part, prefix + entry.base, _source(entry)) for entry in entries if prefix]
    named_tables = list(_table_names(tables, by_folder=bool(renamed)))
    if renamed:
        renamed += [("annotations", name, _source(entry)) for name, entry in named_tables]
    return NamedFiles(by_name(names["photos"]), by_name(names["annotations"] + named_tables), sorted(renamed))


def by_name(entries: Iterable[tuple[str, Entry]]) -> dict[str, Entry]:
    """Returns the entries by name, without repeated ones.

    Raises:
        UserError: a name cannot be used, or two files have the same name and differ.
    """
    firsts: dict[str, tuple[str, Entry]] = {}
    for name, entry in entries:
        if not _is_usable(name):
            raise UserError(f"the file name {plain(entry.name)!r} cannot be used; rename it")
        first_name, first = firsts.setdefault(folded(name), (name, entry))
        if first_name != name or not _same_content(first, entry):
            raise UserError(
                f"two different files have the name {plain(name)}: {plain(first.name)} and {plain(entry.name)}; "
                f"rename one, or name what to take with --only"
            )
    return dict(firsts.values())


def _units(group: Unit) -> dict[str, Unit]:
    """Divides photos and annotation files of one name by the photos' folders; one part if there is no clash."""
    folders = sorted({_folder(entry) for entry in group.photos or group.annotations})
    several = len(group.annotations) > 1 and len({folded(entry.base) for entry in group.photos}) > 1
    if len(folders) == 1 or not (_differ(group.photos) or _differ(group.annotations) or several):
        return {folders[0]: group}
    units = {folder: Unit([], []) for folder in folders}
    for entry in group.photos:
        units[_folder(entry)].photos.append(entry)
    for entry in group.annotations:
        folder = nearest_folder(entry.name, folders) or _folder_by_content(entry, group.photos)
        if folder is None:
            some = some_of([plain(photo.name) for photo in group.photos], 3)
            raise UserError(
                f"{plain(entry.name)} may belong to any of the photos {some}; rename these, or name what to take with "
                "--only"
            )
        units[folder].annotations.append(entry)
    return _without_repeated(units)


def _without_repeated(units: dict[str, Unit]) -> dict[str, Unit]:
    """The units without those that have the photos of another one, and its annotation files or none."""
    kept: dict[str, Unit] = {}
    of_photos: dict[tuple, dict[tuple, Unit]] = defaultdict(dict)
    for folder, unit in sorted(units.items(), key=lambda item: (not item[1].annotations, item[0])):
        photos, annotations = unit.content()
        same = of_photos[photos]
        if annotations not in same and (annotations or not same):
            kept[folder] = same[annotations] = unit
    return dict(sorted(kept.items()))


def _folder_by_content(annotation: Entry, photos: Sequence[Entry]) -> str | None:
    """The folder of the one photo that an XML file means by the name, the folder and the size that it gives."""
    with annotation.path.open("rb") as file:
        text = file.read(START_BYTES).replace(b"\0", b"").decode("utf-8", errors="replace")
    values = {
        name: found[1].strip() if (found := re.search(rf"(?i)<{name}>([^<]*)</", text)) else ""
        for name in ("filename", "folder", "width", "height")
    }
    size = (values["width"], values["height"])
    for fits in (
        lambda photo: folded(photo.base) == folded(file_name(values["filename"])),
        lambda photo: folded(file_name(_folder(photo))) == folded(file_name(values["folder"])),
        lambda photo: _size(photo) == size,
    ):
        photos = [photo for photo in photos if fits(photo)] or photos
        if len(photos) == 1:
            return _folder(photos[0])
    return None


def _size(photo: Entry) -> tuple[str, str]:
    header = images.read_header(photo.path)
    return str(header.upright_width), str(header.upright_height)


def _prefixes(clashing: dict[str, dict[str, Unit]], taken: Collection[str]) -> dict[str, str]:
    """The prefix of each folder of photos whose names clash: the shortest that makes no new clash.

    Args:
        clashing: units by folder, by the name that they share.
        taken: names without ending that other files have.
    """
    folders = sorted({folder for units in clashing.values() for folder in units})
    for prefixes in _schemes(folders):
        stems = [f"{folded(prefixes[folder])}_{stem}" for stem, units in clashing.items() for folder in units]
        names = [
            f"{prefixes[folder]}_{entry.base}"
            for units in clashing.values()
            for folder, unit in units.items()
            for entry in (*unit.photos, *unit.annotations)
        ]
        if len(set(stems)) == len(stems) and not set(stems) & set(taken) and all(map(_is_usable, names)):
            return prefixes
    first = next(iter(next(iter(clashing.values())).values()))
    raise UserError(f"the folder of {plain((first.photos + first.annotations)[0].name)} has a name too long; rename it")


def _schemes(folders: Sequence[str]) -> Iterator[dict[str, str]]:
    """Prefixes for folders: one part of each path, from the last on; what differs; the whole path; with a hash."""
    parts = {folder: [_without_archive(part) for part in folder.split("/") if part] for folder in folders}
    if not folders:
        yield {}
        return
    for place in range(1, min(map(len, parts.values())) + 1):
        yield {folder: parts[folder][-place] for folder in folders}
    start, end = _shared(list(parts.values())), 0
    if len(folders) > 1:
        end = _shared([path[start:][::-1] for path in parts.values()])
    yield {folder: "_".join(path[start : len(path) - end]) or "top" for folder, path in parts.items()}
    yield {folder: "_".join(path) or "top" for folder, path in parts.items()}
    for length in (8, 40):
        digests = {folder: hashlib.sha256(folder.encode(errors="replace")).hexdigest()[:length] for folder in folders}
        yield {folder: f"{(parts[folder] or ['top'])[-1]}_{digest}" for folder, digest in digests.items()}
        yield digests


def _shared(paths: Sequence[Sequence[str]]) -> int:
    """How many parts all paths share at their start."""
    first, last = min(paths), max(paths)
    shortest = min(len(first), len(last))
    return next((place for place in range(shortest) if first[place] != last[place]), shortest)


def _table_names(tables: Sequence[Entry], by_folder: bool) -> Iterator[tuple[str, Entry]]:
    """The name of each table: its own, with its folder's name before it where several that differ have the same.

    Args:
        tables: the tables.
        by_folder: whether those of the same content differ, too, since they name other photos in another folder.
    """
    groups: dict[str, list[Entry]] = defaultdict(list)
    for entry in tables:
        groups[folded(entry.base)].append(entry)
    clashing = {
        name: entries
        for name, entries in groups.items()
        if _differ(entries) or (by_folder and len({_folder(entry) for entry in entries}) > 1)
    }
    units = {
        _stem(entries[0]): {_folder(entry): Unit([], [entry]) for entry in entries} for entries in clashing.values()
    }
    prefixes = _prefixes(units, {_stem(entry) for entry in tables} - units.keys())
    for name, entries in groups.items():
        for entry in entries:
            yield (f"{prefixes[_folder(entry)]}_{entry.base}" if name in clashing else entry.base), entry


def _differ(entries: Sequence[Entry]) -> bool:
    """Whether two of the entries have the same name, but for case and accents, and differ."""
    by_name: dict[str, Entry] = {}
    for entry in entries:
        first = by_name.setdefault(folded(entry.base), entry)
        if first.base != entry.base or not _same_content(first, entry):
            return True
    return False


def _same_content(one: Entry, other: Entry) -> bool:
    return one.path == other.path or filecmp.cmp(one.path, other.path, shallow=False)


def _is_usable(name: str) -> bool:
    usable = all(boxes.is_file_name(part) and part == part.strip() for part in name.split("/"))
    return usable and len(name) <= boxes.LONGEST_FILE_NAME  # a list's name has folders in it


def _stem(entry: Entry) -> str:
    return folded(PurePosixPath(entry.base).stem)


def _folder(entry: Entry) -> str:
    return entry.name.rpartition("/")[0]


def _without_archive(part: str) -> str:
    suffix = next((suffix for suffix in ARCHIVE_SUFFIXES if part.lower().endswith(suffix)), "")
    return part.removesuffix(part[len(part) - len(suffix) :]) or part


def _source(entry: Entry) -> str:
    """The name of an entry as a table can hold it."""
    return re.sub(r"[\x00-\x1f\x7f]", "?", entry.name)
