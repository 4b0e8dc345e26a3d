"""Lists of photos in a source: PASCAL's image sets, Darknet's lists of paths, and folders that are called as splits."""

import csv
import io
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from apparel.annotations.renamed import RenamedFiles
from apparel.data.ingest.archives import Entry
from apparel.data.pinned_split import parse_photo_lines
from apparel.utils import limits
from apparel.utils.names import file_name, folded

START_BYTES = 1 << 20
"""Bytes at the start of a text file that are searched for names of photos."""

MAX_LIST_BYTES = 10_000_000
"""Bytes of a list in which names of photos are replaced; one of 200,000 photos takes less."""

SPLIT_WORDS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
"""Names of folders and files that say to which split photos belong."""

OTHER_WORDS = r"([-_ .]?(\d{4}|images?|imgs?|photos?|set|data|labels?|annotations?|coco|split|list|files?))*"
"""Words that such names have beside it, as in `train2017`, `train_images` and `test_labels`."""


def lists_photos(entry: Entry, photos: frozenset[str]) -> bool:
    """Whether more than half of the lines at a text file's start name photos.

    Args:
        entry: the text file.
        photos: names of photos, with and without ending, folded.
    """
    with entry.path.open("rb") as file:
        text = file.read(START_BYTES).decode("utf-8-sig", errors="replace")
    lines = parse_photo_lines(text, photos)
    return 2 * sum(folded(file_name(name)) in photos for name, _ in lines) > len(lines)


def with_new_names(entry: Entry, renamed: RenamedFiles, photos: frozenset[str]) -> str | None:
    """The text of a list of photos with the names that these have in the data set; None if none of them changed.

    Raises:
        UserError: the list is too large.
    """
    text = limits.read_bytes(entry.path, MAX_LIST_BYTES).decode("utf-8-sig", errors="replace")
    if entry.base.lower().endswith(".csv"):
        return _table_with_new_names(text, entry, renamed)
    lines = parse_photo_lines(text, photos)
    names = [renamed.photo(entry.name, name) for name, _ in lines]
    if names == [file_name(name) for name, _ in lines]:
        return None
    return "".join(f"{name} {flag}".rstrip() + "\n" for name, (_, flag) in zip(names, lines, strict=True))


def _table_with_new_names(text: str, entry: Entry, renamed: RenamedFiles) -> str | None:
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error:
        return None
    if not rows or "filename" not in rows[0]:
        return None
    column, changed = rows[0].index("filename"), False
    for row in rows[1:]:
        if len(row) > column:
            name = renamed.photo(entry.name, row[column])
            changed |= name != file_name(row[column])
            row[column] = name
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerows(rows)
    return written.getvalue() if changed else None


def lists_of_folders(photos: Mapping[str, Entry]) -> dict[str, str]:
    """Lists of the photos whose folder is called as a split, by name of the list; none if all are of one split."""
    members: dict[str, list[str]] = defaultdict(list)
    for name, entry in photos.items():
        for part in reversed(entry.name.split("/")[:-1]):
            if split := split_of(part):
                members[split].append(name)
                break
    return _lists(members)


def lists_of_tables(tables: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """Lists of the photos in tables of annotations that are called as splits, such as `instances_train2017.json`.

    Args:
        tables: the photos of each table, by the table's path.
    """
    members: dict[str, list[str]] = defaultdict(list)
    for path, photos in tables.items():
        parts = [PurePosixPath(path).stem.removeprefix("instances_"), *reversed(path.split("/")[:-1])]
        if split := next(filter(None, map(split_of, parts)), None):
            members[split] += photos
    return _lists(members)


def split_of(name: str) -> str | None:
    """The split that a folder or a file is called as, such as `train` for `train2017`; None if it is not."""
    words = "|".join(sorted(SPLIT_WORDS, key=len, reverse=True))
    found = re.fullmatch(
        rf"({OTHER_WORDS}[-_ .])?(?P<split>{words}){OTHER_WORDS}(\.zip|\.tar|\.tgz|\.tar\.gz)?", name.lower()
    )
    return SPLIT_WORDS[found["split"]] if found else None


def pinning_params(folder: Path) -> dict[str, str]:
    """The parameters of `split` that pin photos by the lists of a data set; none if no list is called as a split.

    Where there is no list of test photos, that of val is measured on.
    """
    lists: dict[str, str] = {}
    names = [
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.suffix.lower() in (".txt", ".csv")
    ]
    for name in sorted(names, key=lambda name: (name.count("/"), len(name), name)):
        stem = PurePosixPath(name).stem.lower()
        split = "trainval" if stem == "trainval" else split_of(stem)
        if split:
            lists.setdefault(split, name)
    params = {}
    if "val" in lists and "test" in lists and "train" in lists:
        params["split.val_list"] = lists["val"]
    elif "test" in lists and "trainval" in lists:
        lists["train"] = lists["trainval"]
    elif "test" not in lists and "val" in lists:
        lists["test"] = lists["val"]
    return {f"split.{split}_list": lists[split] for split in ("train", "test") if split in lists} | params


def _lists(members: Mapping[str, Iterable[str]]) -> dict[str, str]:
    if len(members) < 2:
        return {}
    return {f"{split}.txt": "".join(f"{name}\n" for name in sorted(set(names))) for split, names in members.items()}
