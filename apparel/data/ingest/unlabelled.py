"""Import of photos without labels: a source's photos alone, flat in one folder of data/unlabelled."""

from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from apparel import images
from apparel.data.ingest.archives import Entry, check_copies_fit, move_or_copy
from apparel.data.ingest.file_kinds import SourceFiles
from apparel.data.ingest.same_names import name_files
from apparel.errors import UserError, plain

SHOWN = 10
"""Reasons why files are left out that are printed."""


def stage_unlabelled(entries: Sequence[Entry], folder: Path, target: Path) -> tuple[dict[str, Path], dict[str, int]]:
    """Finds the photos among a source's files, prints how many there are, and copies them into a staging folder.

    Args:
        entries: the files of the source.
        folder: the staging folder.
        target: where the folder of photos goes.

    Returns:
        Where the folder of photos goes, by its name in the staging folder, and the number of files of each kind.

    Raises:
        UserError: there is no photo, a name cannot be used, or the disk has no room.
    """
    source = SourceFiles(entries)
    if not source.kinds["photo"]:
        first = f"; first, {source.left_out[0]}" if source.left_out else ""
        raise UserError(f"no photos among {len(entries)} files; readable are {', '.join(images.FORMATS)}{first}")
    photos = name_files(source.kinds["photo"], [], []).photos
    repeated = len(source.kinds["photo"]) - len(photos)
    others = len(entries) - len(source.kinds["photo"]) - len(source.left_out)
    counts = {"photos": len(photos), "repeated": repeated, "others": others, "left_out": len(source.left_out)}
    print(_describe(counts, source.left_out))
    check_copies_fit(photos.values(), folder, folder / "work")
    (folder / "photos").mkdir()
    for name, entry in tqdm(sorted(photos.items()), desc="importing", unit=" files", delay=1, leave=False):
        move_or_copy(entry, folder / "photos" / name, folder / "work")
    return {"photos": target}, counts


def _describe(counts: dict[str, int], left_out: Sequence[str]) -> str:
    lines = [f"{counts['photos']:,} photos without labels"]
    if counts["repeated"]:
        lines.append(f"repeated photos, the same in name and content, imported once: {counts['repeated']:,}")
    if counts["others"]:
        lines.append(f"other files, annotations included, not imported: {counts['others']:,}")
    if left_out:
        lines.append(f"photos or archives that cannot be read, not imported: {len(left_out):,}")
        lines += [f"  {plain(reason)}" for reason in left_out[:SHOWN]]
    return "\n".join(lines)
