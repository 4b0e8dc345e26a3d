"""Photos and annotation files that an import renamed, since two folders had files of one name: their names before.

The table `renamed.csv` lies beside the annotation files, which still name the photos as they were called.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path, PurePosixPath

from apparel.annotations.records import Annotation
from apparel.utils import csv_tables
from apparel.utils.names import file_name, folded

RENAMED = "renamed.csv"
LONGEST_END = 8
"""Parts of a path, from its end, by which a photo is found."""

FEW_FOLDERS = 50
"""Up to so many folders are all compared with an annotation's; of more, those that share its rarest part."""

COLUMNS = ["part", "name", "source"]
"""`part` is the folder, photos or annotations; `name` the new name; `source` the path in the source of the import."""


class RenamedFiles:
    """The table of renamed files.

    Args:
        rows: part, name and source of each.
    """

    def __init__(self, rows: Iterable[tuple[str, str, str]] = ()) -> None:
        self._annotations: dict[str, str] = {}
        # Photos by the end of their paths, with and without the name's ending: a table has thousands of rows.
        self._by_end: dict[tuple[str, ...], list[tuple[str, str]]] = defaultdict(list)
        self._by_folder: dict[tuple[str, str], str] = {}
        self._by_stem: dict[tuple[str, str], list[str]] = defaultdict(list)
        for part, name, source in rows:
            if part == "annotations":
                self._annotations[name] = source
                continue
            *folders, base = _parts(source)
            for form in dict.fromkeys([base, PurePosixPath(base).stem]):  # a set's order differs between processes
                self._by_folder[_folder(source), form] = name
                self._by_stem[form, Path(name).stem].append(name)
                for length in range(min(len(folders) + 1, LONGEST_END)):
                    self._by_end[(*folders[len(folders) - length :], form)].append((name, source))

    def __bool__(self) -> bool:
        return bool(self._by_end)

    def photo(self, file: str, written: str, stem: str | None = None) -> str:
        """The present name of a photo.

        It is the one that has the annotation file's own name, else the one whose path ends as the written one, else the
        one in the folder that belongs to the annotation file's.

        Args:
            file: the annotation file, or list, that names the photo.
            written: the name there, which may have folders before it, and in a list no ending.
            stem: the annotation file's own name if it annotates one photo.

        Returns:
            The name; the last part of `written` if no such photo was renamed, or if it may be any of several.
        """
        parts = _parts(written.replace("\\", "/"))
        photos = self._by_end.get(parts[-1:], [])
        if not photos:
            return file_name(written)
        of_same_stem = self._by_stem.get((parts[-1], stem or ""), [])
        if len(of_same_stem) == 1:
            return of_same_stem[0]
        length = next(n for n in range(min(len(parts), LONGEST_END), 0, -1) if self._by_end.get(parts[-n:]))
        longest = self._by_end[parts[-length:]]
        if len(longest) == 1 and (len(photos) == 1 or length > 1):
            return longest[0][0]
        source = self._annotations.get(file, file)
        if own := self._by_folder.get((_folder(source), parts[-1])):
            return own
        folders = {_folder(photo): name for name, photo in longest}
        nearest = nearest_folder(source, list(folders), table=stem is None)
        return file_name(written) if nearest is None else folders[nearest]

    def translate(self, annotation: Annotation) -> str:
        """The present name of an annotation's photo."""
        return self.photo(annotation.file, annotation.photo, annotation.stem) if annotation.photo else ""


def read_renamed(folder: Path) -> RenamedFiles:
    """Reads the table in a folder of annotation files; an empty one if there is none.

    Raises:
        UserError: it is damaged.
    """
    return read_table(folder / RENAMED) if (folder / RENAMED).is_file() else RenamedFiles()


def read_table(path: Path) -> RenamedFiles:
    """Reads a table.

    Raises:
        UserError: it is missing or damaged.
    """
    return RenamedFiles(csv_tables.read(path, COLUMNS).itertuples(index=False, name=None))


def nearest_folder(annotation: str, folders: Sequence[str], table: bool = False) -> str | None:
    """The folder of photos that belongs to an annotation file: its own, else the one that is called most like it.

    `images/train` belongs to `labels/train`, `train/images` to `train/labels`, and `train_images` to `train_labels`.

    Args:
        annotation: the path of the annotation file.
        folders: paths of folders.
        table: whether the file annotates many photos, so that its own name may tell which, as in `train.csv`.

    Returns:
        The folder, or None if two are as near.
    """
    own = _folder(annotation)
    if own in folders:
        return own
    if len(folders) > FEW_FOLDERS:
        by_part = _folders_by_part(tuple(folders))
        folders = min((by_part[part] for part in _parts(own) if part in by_part), key=len, default=folders)
    words = _words(annotation.rsplit(".", 1)[0] if table else own)

    def nearness(folder: str) -> tuple[int, int]:
        mine, theirs = _parts(own), _parts(folder)
        start = _shared_start(mine, theirs)
        end = _shared_start(mine[start:][::-1], theirs[start:][::-1])
        return start + end, len(words & _words(folder))

    ranked = sorted(((nearness(folder), folder) for folder in folders), reverse=True)
    if not ranked or (len(ranked) > 1 and ranked[0][0] == ranked[1][0]):
        return None
    return ranked[0][1]


def _folder(path: str) -> str:
    return path.rpartition("/")[0]


@lru_cache(maxsize=8)
def _folders_by_part(folders: tuple[str, ...]) -> dict[str, list[str]]:
    by_part: dict[str, list[str]] = defaultdict(list)
    for folder in folders:
        for part in set(_parts(folder)):
            by_part[part].append(folder)
    return by_part


@lru_cache(maxsize=100_000)
def _parts(path: str) -> tuple[str, ...]:
    return PurePosixPath(folded(path)).parts


@lru_cache(maxsize=100_000)
def _words(path: str) -> frozenset[str]:
    return frozenset(re.findall(r"[^\W\d_]+|\d+", folded(path)))


def _shared_start(some: Sequence[str], others: Sequence[str]) -> int:
    pairs = zip(some, others, strict=False)
    return next((place for place, pair in enumerate(pairs) if pair[0] != pair[1]), min(len(some), len(others)))
