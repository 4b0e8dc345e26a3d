"""Import of a data set: photos, annotation files and lists are recognised among a source's files and copied flat."""

import filecmp
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tqdm import tqdm

from apparel import boxes, images
from apparel.annotations import fiat, pascal_voc
from apparel.data.ingest.archives import UNSUPPORTED_SUFFIXES, Entry, check_copies_fit, is_archive, move_or_copy
from apparel.errors import UserError, plain
from apparel.utils import csv_tables, files, limits
from apparel.utils.names import file_name, folded

PARTS = ("photos", "annotations", "lists")
"""Folders of a data set."""

PHOTO_LIST, ANNOTATION_LIST = "photos.txt", "annotations.txt"
"""Lists in lists/ that the import writes: the names of all photos and annotation files, one a line.

The stage convert checks that none of them is missing.
"""

CLASS_LIST = "predefined_classes.txt"
"""LabelImg's list of classes; it is imported with the lists."""

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif", ".tif", ".tiff", ".heic", ".heif", ".avif", ".jxl")
"""Suffixes of images; an unreadable one is reported by name."""

START_BYTES = 1 << 20
"""Bytes at the start of a file that are searched for an annotation."""

MAX_BYTES = {".xml": pascal_voc.MAX_BYTES, ".csv": limits.MAX_TABLE_BYTES, ".txt": limits.MAX_TABLE_BYTES}
"""Bytes of an annotation file or a list by suffix; a larger one is left out, as convert or split would refuse it."""


@dataclass(frozen=True)
class DataSetFiles:
    """The files of a data set among those of a source, by the name that each gets.

    Attributes:
        photos: go to the folder photos/.
        annotations: go to annotations/.
        lists: go to lists/; names may have folders in them.
        repeated: number of files with the same name and content as another.
        others: number of files that are not part of a data set.
        left_out: files that look like images or archives but cannot be read, with the reason of each.
    """

    photos: dict[str, Entry]
    annotations: dict[str, Entry]
    lists: dict[str, Entry]
    repeated: int
    others: int
    left_out: list[str]

    def counts(self) -> dict[str, int]:
        """Number of files of each kind."""
        parts = {part: len(getattr(self, part)) for part in PARTS}
        return parts | {"repeated": self.repeated, "others": self.others, "left_out": len(self.left_out)}


def find_data_set(entries: Sequence[Entry]) -> DataSetFiles:
    """Recognises a source's photos, annotations and lists by their content.

    Raises:
        UserError: there is no photo, a name cannot be used, or two files of the same name differ (names both).
    """
    left_out: list[str] = []
    kinds: dict[str, list[Entry]] = {"photos": [], "annotations": [], "lists": [], "texts": [], "": []}
    for entry in tqdm(entries, desc="looking at files", unit="", delay=1, leave=False):
        kinds[_kind(entry, left_out)].append(entry)
    photos = _by_name((entry.base, entry) for entry in kinds["photos"])
    if not photos:
        reason = f"; first, {left_out[0]}" if left_out else ""
        raise UserError(f"no photos among {len(entries)} files; readable are {', '.join(images.FORMATS)}{reason}")
    texts = [entry for entry in kinds["texts"] if entry.base == CLASS_LIST or _lists_photos(entry, photos)]
    annotations = _by_name((entry.base, entry) for entry in kinds["annotations"])
    lists = _by_name(_below_common_folder(kinds["lists"] + texts))
    lists.pop(PHOTO_LIST, None)  # of an earlier import; it is written again
    others = len(kinds[""]) + len(kinds["texts"]) - len(texts) - len(left_out)
    repeated = len(entries) - len(photos) - len(annotations) - len(lists) - others - len(left_out)
    return DataSetFiles(photos, annotations, lists, repeated, others, left_out)


def copy_data_set(data_set: DataSetFiles, folder: Path, work: Path) -> None:
    """Makes the `PARTS` of a data set in `folder`; files that lie in the folder `work` are moved, others are copied.

    Raises:
        UserError: the disk has no room for the files and the copies of them that DVC keeps.
    """
    entries = [(part, name, entry) for part in PARTS for name, entry in sorted(getattr(data_set, part).items())]
    check_copies_fit((entry for _, _, entry in entries), folder, work)
    for part in PARTS:
        (folder / part).mkdir()
    for part, name, entry in tqdm(entries, desc="importing", unit=" files", delay=1, leave=False):
        move_or_copy(entry, folder / part / name, work)
    for list_name, part in ((PHOTO_LIST, data_set.photos), (ANNOTATION_LIST, data_set.annotations)):
        files.write_text(folder / "lists" / list_name, "".join(f"{name}\n" for name in sorted(part)))


def stage_data_set(entries: Sequence[Entry], folder: Path, target: Path) -> tuple[dict[str, Path], dict[str, int]]:
    """Finds the data set among a source's files, prints what it has, and copies it into a staging folder.

    Returns:
        Where in `target` each part goes, by the part's name, and the number of files of each kind.
    """
    data_set = find_data_set(entries)
    print(describe_data_set(data_set))
    copy_data_set(data_set, folder, folder / "work")
    return {part: target / part for part in PARTS}, data_set.counts()


def describe_data_set(data_set: DataSetFiles) -> str:
    """Returns what is imported, in a few lines for the terminal."""
    counts = (f"{len(data_set.photos):,} photos", f"{len(data_set.annotations):,} annotation files")
    lines = [f"{', '.join(counts)}, {len(data_set.lists)} lists"]
    lines += [f"  list {name}{_pinning_note(entry)}" for name, entry in sorted(data_set.lists.items())]
    if data_set.repeated:
        lines.append(f"repeated files, the same in name and content, imported once: {data_set.repeated:,}")
    if data_set.others:
        lines.append(f"other files, not imported: {data_set.others:,}")
    if data_set.left_out:
        lines.append(f"photos or archives that cannot be read, not imported: {len(data_set.left_out):,}")
        lines += [f"  {reason}" for reason in data_set.left_out[:10]]
    if not data_set.annotations:
        lines.append("warning: no annotation files, so there is nothing to train on")
    return "\n".join(lines)


def _pinning_note(entry: Entry) -> str:
    """Returns what to add to a list's name if it cannot pin photos to a split, or nothing."""
    if entry.base.lower().endswith(".csv"):
        try:
            csv_tables.read(entry.path, ["filename"])
        except UserError as error:
            return f" (cannot pin photos to a split: {str(error).removeprefix(f'{entry.path}').lstrip(',: ')})"
    return ""


def _kind(entry: Entry, left_out: list[str]) -> str:
    """Returns a file's part of the data set, `texts` for a text that may list photos, or an empty string.

    The reason why a photo or an archive cannot be read is added to `left_out`.
    """
    suffix = PurePosixPath(entry.base).suffix.lower()
    try:
        images.read_header(entry.path)
        return "photos"
    except UserError as error:
        if suffix in IMAGE_SUFFIXES:
            left_out.append(plain(str(error).replace(str(entry.path), entry.name)))
            return ""
    if is_archive(entry.base) or suffix in UNSUPPORTED_SUFFIXES:
        left_out.append(
            f"{plain(entry.name)} is an archive of an unsupported format, or nested too deeply; "
            "unpack it and import the folder"
        )
        return ""
    with entry.path.open("rb") as file:
        start = file.read(START_BYTES)
    if entry.path.stat().st_size > MAX_BYTES.get(suffix, sys.maxsize):
        left_out.append(
            f"{plain(entry.name)} is larger than {MAX_BYTES[suffix]:,} bytes, too large for a {suffix} file"
        )
        return ""
    text = start.replace(b"\0", b"")  # UTF-16 has a zero byte beside each ASCII letter
    if suffix == ".xml" and (b"<annotation" in text or not text.strip()):  # convert reports an empty one
        return "annotations"
    if suffix == ".csv":
        return "annotations" if fiat.looks_like(start) else "lists"
    return "texts" if suffix == ".txt" else ""


def _lists_photos(entry: Entry, photos: dict[str, Entry]) -> bool:
    """Whether more than half of a text file's lines are names of photos."""
    with entry.path.open("rb") as file:
        text = file.read().decode("utf-8-sig", errors="replace")
    lines = (line[0] for line in re.finditer(r"[^\r\n]+", text))  # one by one: a file may have millions
    photo_names = {folded(name) for name in photos}
    named = [folded(file_name(line)) in photo_names for line in lines if line.strip()]
    return 2 * sum(named) > len(named)


def _below_common_folder(entries: list[Entry]) -> list[tuple[str, Entry]]:
    """Returns the entries with their names relative to the deepest folder that holds all of them."""
    folders = [entry.name.split("/")[:-1] for entry in entries]
    first, last = min(folders, default=[]), max(folders, default=[])
    shared = 0
    while shared < min(len(first), len(last)) and first[shared] == last[shared]:
        shared += 1
    return [("/".join(entry.name.split("/")[shared:]), entry) for entry in entries]


def _by_name(entries: Iterable[tuple[str, Entry]]) -> dict[str, Entry]:
    """Returns the entries by name, without repeated ones.

    Raises:
        UserError: a name cannot be used, or two files have the same name and differ. Names that differ only in case, or
            in the encoding of accents, are the same on some systems.
    """
    by_name: dict[str, tuple[str, Entry]] = {}
    for name, entry in entries:
        usable = all(boxes.is_file_name(part) and part == part.strip() for part in name.split("/"))
        if not usable or len(name) > boxes.LONGEST_FILE_NAME:  # a list's name has folders in it
            raise UserError(f"the file name {plain(entry.name)!r} cannot be used; rename it")
        first_name, first = by_name.setdefault(folded(name), (name, entry))
        if first_name != name or not filecmp.cmp(first.path, entry.path, shallow=False):
            raise UserError(
                f"two different files have the name {plain(name)}: {plain(first.name)} and {plain(entry.name)}; "
                f"rename one, or name what to take with --only"
            )
    return dict(by_name.values())
