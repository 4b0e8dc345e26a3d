"""Import of a data set: photos, annotation files and lists are recognised among a source's files and copied flat."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tqdm import tqdm

from apparel import images
from apparel.annotations import yolo
from apparel.annotations.renamed import COLUMNS, RENAMED, RenamedFiles, read_table
from apparel.data.ingest import photo_lists
from apparel.data.ingest.archives import Entry, check_copies_fit, move_or_copy
from apparel.data.ingest.class_order import find_class_order
from apparel.data.ingest.file_kinds import SourceFiles
from apparel.data.ingest.label_files import LabelFiles, choose_label_files, read_labels
from apparel.data.ingest.same_names import NamedFiles, by_name, name_files
from apparel.errors import UserError, plain
from apparel.utils import csv_tables, files
from apparel.utils.names import folded

PARTS = ("photos", "annotations", "lists")
"""Folders of a data set."""

PHOTO_LIST, ANNOTATION_LIST = "photos.txt", "annotations.txt"
"""Lists in lists/ that the import writes: the names of all photos and annotation files, one a line.

The stage convert checks that none of them is missing.
"""

READ_FORMATS = "PASCAL VOC XML, YOLO, COCO JSON, FIAT CSV, and CSV with filename, class, xmin, ymin, xmax, ymax"

SHOWN = 10
"""Names of files that a description shows of each kind."""


@dataclass(frozen=True)
class DataSetFiles:
    """The files of a data set among those of a source, by the name that each gets.

    Attributes:
        photos: go to the folder photos/.
        annotations: go to annotations/.
        lists: go to lists/; names may have folders in them.
        texts: files that the import writes, such as lists with the new names of photos, by part and name.
        repeated: number of files with the same name and content as another.
        others: number of files that are not part of a data set.
        left_out: files that look like images or archives but cannot be read, with the reason of each.
        not_read: files that hold photos or labels in other formats, by the format's name.
        renamed: number of photos that got another name, since two had the same.
        labelled: whether an annotation file has a box on a photo.
    """

    photos: dict[str, Entry]
    annotations: dict[str, Entry]
    lists: dict[str, Entry]
    texts: dict[str, str]
    repeated: int
    others: int
    left_out: list[str]
    not_read: dict[str, list[str]]
    renamed: int
    labelled: bool

    def counts(self) -> dict[str, int]:
        """Number of files of each kind."""
        parts = {part: len(getattr(self, part)) for part in PARTS}
        not_read = {"not_read": sum(map(len, self.not_read.values())), "renamed": self.renamed}
        more = {name: count for name, count in not_read.items() if count}
        return parts | {"repeated": self.repeated, "others": self.others, "left_out": len(self.left_out)} | more


def find_data_set(entries: Sequence[Entry], classes: Sequence[str] | None = None) -> DataSetFiles:
    """Recognises a source's photos, annotations and lists by their content.

    Args:
        entries: the files of the source.
        classes: names of YOLO's classes by number, from 0, if the user gives them.

    Raises:
        UserError: there is no photo, a name cannot be used, two files of the same name differ in one folder, or the
            order of YOLO's classes is not known.
    """
    source = SourceFiles(entries)
    kinds = source.kinds
    if not kinds["photo"]:
        first = f"; first, {source.left_out[0]}" if source.left_out else _not_read_note(source.not_read)
        raise UserError(f"no photos among {len(entries)} files; readable are {', '.join(images.FORMATS)}{first}")
    earlier = read_table(kinds["renamed"][0].path) if kinds["renamed"] else RenamedFiles()
    labels = choose_label_files(kinds, kinds["photo"], earlier)
    named = name_files(kinds["photo"], labels.single, labels.tables)
    renamed = RenamedFiles(named.renamed) if named.renamed else earlier
    is_yolo = bool(set(kinds["yolo"]) & set(labels.single))
    if classes and not is_yolo:
        raise UserError("--classes is for YOLO's label files, and there are none")
    order = find_class_order(kinds["classes"], classes) if is_yolo else []
    other_lists = kinds["list"] + labels.lists + kinds["photo list"]
    lists = by_name(_below_common_folder(sorted(other_lists, key=lambda entry: entry.name)))
    for name in (PHOTO_LIST, ANNOTATION_LIST):
        lists.pop(name, None)  # of an earlier import; it is written again
    texts = _annotation_texts(named, order, kinds["renamed"]) | _list_texts(source, lists, named, labels, renamed)
    unused = kinds[""] + kinds["text"] + ([] if is_yolo else kinds["classes"])
    if labels.repeated:
        source.not_read["annotations of photos that files of another format annotate"] += [
            entry.name for entry in labels.repeated
        ]
    not_imported = (
        len(unused)
        + len(kinds["classes"]) * is_yolo
        + len(kinds["renamed"])
        + len(source.left_out)
        + sum(map(len, source.not_read.values()))
    )
    return DataSetFiles(
        photos=named.photos,
        annotations=named.annotations,
        lists=lists,
        texts=texts,
        repeated=len(entries) - len(named.photos) - len(named.annotations) - len(lists) - not_imported,
        others=len(unused),
        left_out=source.left_out,
        not_read=source.not_read,
        renamed=sum(part == "photos" for part, _, _ in named.renamed),
        labelled=_has_label(kinds, named, renamed, order),
    )


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
    for name, text in data_set.texts.items():
        files.write_text(folder / name, text)
    for list_name, part in ((PHOTO_LIST, "photos"), (ANNOTATION_LIST, "annotations")):
        names = sorted(path.name for path in (folder / part).iterdir())
        files.write_text(folder / "lists" / list_name, "".join(f"{name}\n" for name in names))


def stage_data_set(
    entries: Sequence[Entry],
    folder: Path,
    target: Path,
    classes: Sequence[str] | None = None,
    without_labels: bool = False,
) -> tuple[dict[str, Path], dict[str, int]]:
    """Finds the data set among a source's files, prints what it has, and copies it into a staging folder.

    Args:
        entries: the files of the source.
        folder: the staging folder.
        target: where the data set goes.
        classes: names of YOLO's classes by number, from 0, if the user gives them.
        without_labels: whether photos may come without a label.

    Returns:
        Where in `target` each part goes, by the part's name, and the number of files of each kind.

    Raises:
        UserError: see `find_data_set`; or no annotation file has a box on a photo.
    """
    data_set = find_data_set(entries, classes)
    print(describe_data_set(data_set))
    if not data_set.labelled and not without_labels:
        reason = "no annotation file has a box on one of the photos" if data_set.annotations else "no annotation file"
        raise UserError(
            f"there is not one label: {reason}{_not_read_note(data_set.not_read)}; read are {READ_FORMATS}. "
            "To import photos alone, add --without-labels"
        )
    copy_data_set(data_set, folder, folder / "work")
    return {part: target / part for part in PARTS}, data_set.counts()


def describe_data_set(data_set: DataSetFiles) -> str:
    """Returns what is imported, in a few lines for the terminal."""
    counts = (f"{len(data_set.photos):,} photos", f"{len(data_set.annotations):,} annotation files")
    lists = sorted({*data_set.lists, *(name[6:] for name in data_set.texts if name.startswith("lists/"))})
    lines = [f"{', '.join(counts)}, {len(lists)} lists"]
    lines += [f"  list {plain(name)}{_pinning_note(data_set.lists.get(name))}" for name in lists[: 2 * SHOWN]]
    if len(lists) > 2 * SHOWN:
        lines.append(f"  and {len(lists) - 2 * SHOWN:,} more")
    if data_set.renamed:
        example = next(line for line in data_set.texts[f"annotations/{RENAMED}"].splitlines() if "photos," in line)
        lines.append(
            f"photos of one name in several folders, now called by folder, too: {data_set.renamed:,}, such as "
            f"{plain(example.split(',')[1])}"
        )
    if data_set.repeated:
        lines.append(f"repeated files, the same in name and content, imported once: {data_set.repeated:,}")
    for name, found in sorted(data_set.not_read.items()):
        lines.append(f"not read, {name}: {len(found):,}, such as {plain(found[0])}")
    if data_set.others:
        lines.append(f"other files, not imported: {data_set.others:,}")
    if data_set.left_out:
        lines.append(f"photos or archives that cannot be read, not imported: {len(data_set.left_out):,}")
        lines += [f"  {reason}" for reason in data_set.left_out[:SHOWN]]
    if not data_set.labelled:
        lines.append("warning: no label, so there is nothing to train on")
    return "\n".join(lines)


def _not_read_note(not_read: Mapping[str, list[str]]) -> str:
    some = [f"{len(names):,} {name}, such as {plain(names[0])}" for name, names in sorted(not_read.items())]
    return f"; found, but not read: {'; '.join(some)}" if some else ""


def _pinning_note(entry: Entry | None) -> str:
    """Returns what to add to a list's name if it cannot pin photos to a split, or nothing."""
    if entry and entry.base.lower().endswith(".csv"):
        try:
            csv_tables.read(entry.path, ["filename"])
        except UserError as error:
            return f" (cannot pin photos to a split: {str(error).removeprefix(f'{entry.path}').lstrip(',: ')})"
    return ""


def _annotation_texts(named: NamedFiles, order: Sequence[str], earlier: Sequence[Entry]) -> dict[str, str]:
    """What convert needs to read the annotations: the order of YOLO's classes, and which photos were renamed."""
    texts = {}
    if order:
        texts[f"annotations/{yolo.CLASSES}"] = "".join(f"{name}\n" for name in order)
    if named.renamed:
        table = io.StringIO()
        csv.writer(table, lineterminator="\n").writerows([COLUMNS, *named.renamed])
        texts[f"annotations/{RENAMED}"] = table.getvalue()
    elif earlier:  # the source is a data set that an import has made
        texts[f"annotations/{RENAMED}"] = earlier[0].path.read_text(encoding="utf-8", errors="replace")
    return texts


def _list_texts(
    source: SourceFiles, lists: Mapping[str, Entry], named: NamedFiles, labels: LabelFiles, renamed: RenamedFiles
) -> dict[str, str]:
    """Lists that name renamed photos, with the new names; and lists of the photos in folders and tables of a split."""
    changed = {}
    for name, entry in lists.items() if named.renamed else ():
        if (text := photo_lists.with_new_names(entry, renamed, source.photo_names)) is not None:
            changed[name] = text
    made = photo_lists.lists_of_folders(named.photos)
    if not made:
        names = {entry.name: labels.photos[entry] for entry in labels.tables}
        tables = {path: [renamed.photo(path, photo) for photo in photos] for path, photos in names.items()}
        made = photo_lists.lists_of_tables(tables)
    for name, text in made.items():
        changed.setdefault(name if name not in lists else f"folders_{name}", text)
    return {f"lists/{name}": text for name, text in changed.items()}


def _has_label(
    kinds: Mapping[str, Sequence[Entry]], named: NamedFiles, renamed: RenamedFiles, order: Sequence[str]
) -> bool:
    """Whether an annotation file has a box on one of the photos; they are read until one has."""
    stems = {folded(PurePosixPath(name).stem) for name in named.photos}
    kind_of = {entry: kind for kind, entries in kinds.items() for entry in entries}
    for name, entry in named.annotations.items():
        for annotation in read_labels(kind_of[entry], entry, order):
            written = renamed.photo(name, annotation.photo) if annotation.photo else name
            own = [name] if annotation.stem else []
            if annotation.boxes and any(folded(PurePosixPath(file).stem) in stems for file in [written, *own]):
                return True
    return False


def _below_common_folder(entries: list[Entry]) -> list[tuple[str, Entry]]:
    """Returns the entries with their names relative to the deepest folder that holds all of them."""
    folders = [entry.name.split("/")[:-1] for entry in entries]
    first, last = min(folders, default=[]), max(folders, default=[])
    shared = 0
    while shared < min(len(first), len(last)) and first[shared] == last[shared]:
        shared += 1
    return [("/".join(entry.name.split("/")[shared:]), entry) for entry in entries]
