"""Published lists that pin photos to train, val and test: CSV, names or paths a line, and PASCAL VOC's image sets."""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from apparel import params
from apparel.errors import UserError, nearest, plain, some_of
from apparel.utils import csv_tables, limits
from apparel.utils.names import file_name, folded, unique

SPLITS = ("train", "val", "test")

FLAGGED = re.compile(r"(.*\S)\s+(-1|0|1)")
"""A line of a list of one class in PASCAL VOC's ImageSets/Main: a photo, and whether it shows the class: yes 1, no -1,
or 0 for one that is hard to see (development kit, section 8.1)."""


@dataclass(frozen=True)
class PinnedSplit:
    """The photos that published lists pin; photos pinned to `train` and not to `val` are divided into the two.

    A split is None where there is no list of it; `missing` are listed names that are not photos here.
    """

    train: frozenset[str] | None
    test: frozenset[str] | None
    missing: tuple[str, ...]
    val: frozenset[str] | None = None


def read_pinned_split(config: params.Split, folder: Path, names: Collection[str]) -> PinnedSplit:
    """Reads the lists that pin photos to train, val and test; a photo in those of train and val is one of val.

    Args:
        config: names the lists, relative to `folder`.
        folder: the data set's folder of lists.
        names: the photos of the data set.

    Raises:
        UserError: a list lies outside the folder, is missing, is not a list, or names no photo of the data set; or a
            photo is in the list of test and in another.
    """
    photos = set(names)
    lists = {split: getattr(config, f"{split}_list") for split in SPLITS}
    listed = {
        split: read_photo_list(_list_path(folder, name, f"split.{split}_list"), photos)
        for split, name in lists.items()
        if name is not None
    }
    for split in ("train", "val"):
        both = sorted(listed.get(split, set()) & listed.get("test", set()))
        if both:
            raise UserError(
                f"{some_photos(both)} in both split.{split}_list and split.test_list: a photo can be in one only"
            )
    for split, members in listed.items():
        if not members & photos:
            some = some_photos(sorted(members))
            raise UserError(
                f"{folder / lists[split]} names {len(members)} photos ({some}), none of which is in the data set"
            )
    missing = tuple(sorted(set().union(*listed.values()) - photos))
    pinned = {split: frozenset(members & photos) for split, members in listed.items()}
    return PinnedSplit(pinned.get("train"), pinned.get("test"), missing, pinned.get("val"))


def read_photo_list(path: Path, photos: Collection[str]) -> set[str]:
    """Reads photo names from a CSV file with a column `filename`, or from a `.txt` file with one name or path a line.

    Of a class's list in PASCAL VOC's ImageSets/Main, whose lines end in 1, 0 or -1, those with -1 are left out.

    A name that is not in `photos` stands for the one photo whose name differs from it only in case, in how accents are
    encoded, or in the file's extension, if there is exactly one.

    Raises:
        UserError: the file is missing, not such a list, or names nothing.
    """
    similar = unique(sorted(photos), lambda name: folded(Path(name).stem)) | unique(sorted(photos), folded)
    listed = _listed_names(path, photos) - {""}
    if not listed:
        raise UserError(f"{path} names no photos")
    return {
        name if name in photos else similar.get(folded(name)) or similar.get(folded(Path(name).stem)) or name
        for name in listed
    }


def parse_photo_lines(text: str, photos: Collection[str]) -> list[tuple[str, str]]:
    """Reads the lines of a list: the photo that each names, and its flag in a list of one class of PASCAL VOC, or "".

    Args:
        text: the list.
        photos: names of photos, folded, with and without ending; a line that is one of them has no flag.
    """
    lines = [line.strip() for line in re.split(r"[\r\n]+", text) if line.strip()]
    flagged = [FLAGGED.fullmatch(line) for line in lines]
    if all(flagged) and not any(folded(file_name(line)) in photos for line in lines):
        return [(line[1], line[2]) for line in flagged if line]
    return [(line, "") for line in lines]


def some_photos(names: Iterable[str]) -> str:
    """Returns the first three names, and how many more there are, for a message."""
    return some_of([plain(name) for name in names], 3)


def _listed_names(path: Path, photos: Collection[str]) -> set[str]:
    if path.suffix.lower() != ".txt":
        return {file_name(name) for name in csv_tables.read(path, ["filename"])["filename"]}
    try:
        text = limits.read_bytes(path, limits.MAX_TABLE_BYTES).decode("utf-8-sig")
    except FileNotFoundError:
        raise UserError(f"{path} not found") from None
    except (OSError, UnicodeDecodeError):
        raise UserError(f"{path} is not a text file in UTF-8") from None
    known = {folded(form) for name in photos for form in (name, Path(name).stem)}
    return {file_name(name) for name, flag in parse_photo_lines(text, known) if flag != "-1"}


def _list_path(folder: Path, name: str, key: str) -> Path:
    """Returns the path of a list, which has to lie in `folder`.

    This is decided by the name alone: DVC may keep the files of the folder as links to its cache, which lies outside.
    """
    parts = (*PurePosixPath(name).parts, *PureWindowsPath(name).parts)
    if ".." in parts or PurePosixPath(name).is_absolute() or PureWindowsPath(name).anchor:
        raise UserError(f"{key}: '{name}' leads out of {folder.as_posix()}; name a list in that folder")
    if not (folder / name).is_file():
        lists = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file()]
        raise UserError(f"{key}: there is no list '{name}' in {folder.as_posix()}{nearest(name, lists)}")
    return folder / name
