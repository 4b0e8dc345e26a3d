"""Photos and annotation files that an import renamed, since two folders had files of one name: their names before.

The table `renamed.csv` lies beside the annotation files, which still name the photos as they were called.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from apparel.annotations.records import Annotation
from apparel.utils import csv_tables
from apparel.utils.names import file_name, folded

RENAMED = "renamed.csv"
COLUMNS = ["part", "name", "source"]
"""`part` is the folder, photos or annotations; `name` the new name; `source` the path in the source of the import."""


class RenamedFiles:
    """The table of renamed files.

    Args:
        rows: part, name and source of each.
    """

    def __init__(self, rows: Iterable[tuple[str, str, str]] = ()) -> None:
        rows = list(rows)
        self._annotations = {name: source for part, name, source in rows if part == "annotations"}
        self._photos: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for part, name, source in rows:
            if part == "photos":
                for key in {folded(file_name(source)), folded(Path(source).stem)}:
                    self._photos[key].append((name, source))

    def __bool__(self) -> bool:
        return bool(self._photos)

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
        photos = self._photos.get(folded(file_name(written)), [])
        of_same_stem = [name for name, _ in photos if Path(name).stem == stem]
        if len(of_same_stem) == 1:
            return of_same_stem[0]
        shared = [_shared_end(written, source) for _, source in photos]
        longest = [photo for photo, parts in zip(photos, shared, strict=True) if parts == max(shared)]
        if len(longest) == 1 and (len(photos) == 1 or max(shared) > 1):
            return longest[0][0]
        folders = {_folder(source): name for name, source in longest}
        nearest = nearest_folder(self._annotations.get(file, file), list(folders), table=stem is None)
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
    words = _words(annotation.rsplit(".", 1)[0] if table else own)

    def nearness(folder: str) -> tuple[bool, int, int]:
        mine, theirs = _parts(own), _parts(folder)
        start = _shared_start(mine, theirs)
        end = _shared_start(mine[start:][::-1], theirs[start:][::-1])
        return folder == own, start + end, len(words & _words(folder))

    ranked = sorted(((nearness(folder), folder) for folder in folders), reverse=True)
    if not ranked or (len(ranked) > 1 and ranked[0][0] == ranked[1][0]):
        return None
    return ranked[0][1]


def _folder(path: str) -> str:
    return path.rpartition("/")[0]


def _parts(path: str) -> tuple[str, ...]:
    return PurePosixPath(folded(path)).parts


def _words(path: str) -> set[str]:
    return set(re.findall(r"[^\W\d_]+|\d+", folded(path)))


def _shared_start(some: Sequence[str], others: Sequence[str]) -> int:
    pairs = zip(some, others, strict=False)
    return next((place for place, pair in enumerate(pairs) if pair[0] != pair[1]), min(len(some), len(others)))


def _shared_end(written: str, source: str) -> int:
    """How many parts two paths share at their ends."""
    return _shared_start(_parts(written.replace("\\", "/"))[::-1], _parts(source)[::-1])
