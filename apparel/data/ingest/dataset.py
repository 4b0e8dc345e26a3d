"""A data set brought in: photos, annotation files and lists are found among a source's files and laid out flat."""

import filecmp
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tqdm import tqdm

from apparel import boxes, images
from apparel.annotations import fiat
from apparel.annotations.records import file_name, folded
from apparel.data.ingest.archives import OTHER_ENDINGS, Entry, is_archive, make_room
from apparel.errors import UserError, plain
from apparel.utils import csv_tables, files

PARTS = ("photos", "annotations", "lists")
"""The folders of a data set."""

PHOTO_LIST, ANNOTATION_LIST = "photos.txt", "annotations.txt"
"""In lists/: the name of every photo and annotation file that came, one a line. Convert refuses to do without one."""

CLASS_LIST = "predefined_classes.txt"
"""The classes that LabelImg offers; comes along with the lists."""

PHOTO_ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif", ".tif", ".tiff", ".heic", ".heif", ".avif", ".jxl")
"""Of files that are named if they are no photos that can be read here."""

LOOK = 1 << 20
"""Bytes at the start of a file by which annotations are told from other files."""


@dataclass(frozen=True)
class Found:
    """What of a source is a data set: the entries by the name that each gets.

    `repeated` counts files that came again with the same content, `others` those that are no data; `left_out` names
    those that look like photos or archives but cannot be read.
    """

    photos: dict[str, Entry]
    annotations: dict[str, Entry]
    lists: dict[str, Entry]
    repeated: int
    others: int
    left_out: list[str]

    def counts(self) -> dict[str, int]:
        """How many of each."""
        kept = {part: len(getattr(self, part)) for part in PARTS}
        return kept | {"repeated": self.repeated, "others": self.others, "left_out": len(self.left_out)}


def find(entries: Sequence[Entry]) -> Found:
    """Sorts a source's files by what they hold, whatever they are called.

    Raises:
        UserError: there is no photo, a name cannot be used, or two files of one name differ; names both.
    """
    left_out: list[str] = []
    kinds: dict[str, list[Entry]] = {"photos": [], "annotations": [], "lists": [], "texts": [], "": []}
    for entry in tqdm(entries, desc="looking at files", unit="", delay=1, leave=False):
        kinds[_kind(entry, left_out)].append(entry)
    photos_found = _named((entry.base, entry) for entry in kinds["photos"])
    if not photos_found:
        reason = f"; first, {left_out[0]}" if left_out else ""
        raise UserError(f"no photos among {len(entries)} files; known are {', '.join(images.FORMATS)}{reason}")
    texts = [entry for entry in kinds["texts"] if entry.base == CLASS_LIST or _lists_photos(entry, photos_found)]
    annotations = _named((entry.base, entry) for entry in kinds["annotations"])
    lists = _named(_below_common_folder(kinds["lists"] + texts))
    lists.pop(PHOTO_LIST, None)  # of an earlier import; written anew
    others = len(kinds[""]) + len(kinds["texts"]) - len(texts) - len(left_out)
    repeated = len(entries) - len(photos_found) - len(annotations) - len(lists) - others - len(left_out)
    return Found(photos_found, annotations, lists, repeated, others, left_out)


def lay_out(found: Found, folder: Path, work: Path) -> None:
    """Makes the parts of a data set in `folder`: files that lie in `work` are moved there, others are copied.

    Raises:
        UserError: the disk is too full for the files and for the copy of them that DVC keeps.
    """
    entries = {part: sorted(getattr(found, part).items()) for part in PARTS}
    chosen = [entry for part in PARTS for _, entry in entries[part]]
    sizes = [(entry.path.stat().st_size, work in entry.path.parents) for entry in chosen]
    make_room(folder, sum(size if moves else 2 * size for size, moves in sizes))
    with tqdm(total=len(chosen), desc="bringing in", unit=" files", delay=1, leave=False) as progress:
        for part in PARTS:
            (folder / part).mkdir()
            for name, entry in entries[part]:
                bring(entry, folder / part / name, work)
                progress.update()
    for name, part in ((PHOTO_LIST, found.photos), (ANNOTATION_LIST, found.annotations)):
        files.write_text(folder / "lists" / name, "".join(f"{each}\n" for each in sorted(part)))


def bring(entry: Entry, target: Path, work: Path) -> None:
    """Moves an entry that lies in `work`, copies any other; makes the folder."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if work in entry.path.parents:
        entry.path.replace(target)
    else:
        shutil.copyfile(entry.path, target)


def summary(found: Found) -> str:
    """What came in, in a few lines for the terminal."""
    lines = [f"{len(found.photos):,} photos, {len(found.annotations):,} annotation files, {len(found.lists)} lists"]
    lines += [f"  list {name}{_use(entry)}" for name, entry in sorted(found.lists.items())]
    if found.repeated:
        lines.append(f"{found.repeated:,} files came more than once with the same content and were taken once")
    if found.others:
        lines.append(f"{found.others:,} other files were not taken")
    if found.left_out:
        lines.append(f"{len(found.left_out):,} photos or archives cannot be read, and were not taken:")
        lines += [f"  {line}" for line in found.left_out[:10]]
    if not found.annotations:
        lines.append("warning: no annotation files, so nothing to train on")
    return "\n".join(lines)


def _use(entry: Entry) -> str:
    """What is said of a list after its name: whether it can pin photos to a split."""
    if entry.base.lower().endswith(".csv"):
        try:
            csv_tables.read(entry.path, ["filename"])
        except UserError as error:
            return f", which cannot pin photos: {str(error).removeprefix(f'{entry.path}').lstrip(',: ')}"
    return ""


def _kind(entry: Entry, left_out: list[str]) -> str:
    """The part of the data set that a file is, `texts` for what may be a list of photos, or nothing."""
    ending = PurePosixPath(entry.base).suffix.lower()
    try:
        images.header(entry.path)
        return "photos"
    except UserError as error:
        if ending in PHOTO_ENDINGS:
            left_out.append(plain(str(error).replace(str(entry.path), entry.name)))
            return ""
    if is_archive(entry.base) or ending in OTHER_ENDINGS:
        left_out.append(
            f"{plain(entry.name)} is an archive of a kind that is not unpacked here, or in an archive in an archive; "
            "unpack it and import the folder"
        )
        return ""
    with entry.path.open("rb") as file:
        start = file.read(LOOK)
    text = start.replace(b"\0", b"")  # UTF-16 has a zero beside each letter
    if ending == ".xml" and (b"<annotation" in text or not text.strip()):  # convert names an empty one
        return "annotations"
    if ending == ".csv":
        return "annotations" if fiat.looks_like(start) else "lists"
    return "texts" if ending == ".txt" else ""


def _lists_photos(entry: Entry, known: dict[str, Entry]) -> bool:
    """Whether half of a text file's lines or more name photos."""
    with entry.path.open("rb") as file:
        text = file.read(100 * LOOK).decode("utf-8-sig", errors="replace")
    names = [file_name(line) for line in text.splitlines() if line.strip()]
    alike = {folded(name) for name in known}
    return 2 * sum(folded(name) in alike for name in names) > len(names)


def _below_common_folder(entries: list[Entry]) -> list[tuple[str, Entry]]:
    """Names below the folder that holds all of the entries."""
    folders = [entry.name.split("/")[:-1] for entry in entries]
    first, last = min(folders, default=[]), max(folders, default=[])
    shared = 0
    while shared < min(len(first), len(last)) and first[shared] == last[shared]:
        shared += 1
    return [("/".join(entry.name.split("/")[shared:]), entry) for entry in entries]


def _named(entries: Iterable[tuple[str, Entry]]) -> dict[str, Entry]:
    """The entries by name, those that repeat one left out. Names that only differ in case clash on some systems."""
    found: dict[str, tuple[str, Entry]] = {}
    for name, entry in entries:
        usable = all(boxes.is_file_name(part) and part == part.strip() for part in name.split("/"))
        if not usable or len(name) > boxes.LONGEST_FILE_NAME:  # a list's name has folders in it
            raise UserError(f"the file name {plain(entry.name)!r} cannot be used; rename it")
        earlier, other = found.setdefault(folded(name), (name, entry))
        if earlier != name or not filecmp.cmp(other.path, entry.path, shallow=False):
            raise UserError(
                f"two files would be called {plain(name)} and differ: {plain(other.name)} and {plain(entry.name)}; "
                f"rename one, or name what to take with --only"
            )
    return dict(found.values())
